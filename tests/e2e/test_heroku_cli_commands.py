"""The real Heroku CLI reads logs, scales, restarts and deletes at the stand-in; shipit sends the same requests for the same verbs."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import started
from tests.e2e.test_heroku_cli import TOKEN, Recording
from tests.sampled import only_deep
from tests.servers.install import heroku_cli
from tests.servers.proxy import TlsProxy
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit

pytestmark = pytest.mark.tools


@pytest.fixture
def heroku(tmp_path: Path) -> Iterator[Recording]:
    with Recording() as stand_in:
        app = stand_in.create_app("shop-prod")
        for number in range(5):
            app.write("app[web.1]", f"one {number}")
            app.write("app[web.2]", f"two {number}")
            app.write("app[worker.1]", f"job {number}")
        app.write("heroku[web.1]", "State changed from starting to up")
        yield stand_in


@pytest.fixture
def cli(tmp_path: Path, heroku: Recording) -> Iterator[dict[str, str]]:
    """The environment in which the CLI finds the stand-in under Heroku's name."""
    proxy = TlsProxy(tmp_path / "pki", {"api.heroku.com": heroku.host})
    home = tmp_path / "home-of-cli"
    home.mkdir()
    yield {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HEROKU_API_KEY": TOKEN,
        "HTTPS_PROXY": proxy.url,
        "SSL_CERT_FILE": str(proxy.ca_file),
        "HEROKU_PARTICLEBOARD_URL": proxy.url,
        "DISABLE_TELEMETRY": "true",
        "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
        "IS_HEROKU_TEST_ENV": "true",
        "NO_COLOR": "1",
    }
    proxy.stop()


@pytest.fixture
def project(shipit: Shipit, heroku: Recording) -> Shipit:
    shipit.env |= heroku.variables()
    shipit.write(
        deploy__yml="app: shop\nimage: registry.example/shop\ntargets: {heroku: {app: shop-prod, processes: {web: {}, worker: {}}}}\n"
    )
    return shipit


def sessions(heroku: Recording) -> list[object]:
    return [body for method, path, _, body in heroku.asked if path.endswith("/log-sessions")]


def test_the_cli_and_shipit_show_the_same_lines(project: Shipit, heroku: Recording, cli: dict[str, str]) -> None:
    command = [started(heroku_cli), "logs", "-a", "shop-prod", "--process-type", "web", "--num", "1500"]
    done = subprocess.run(command, env=cli, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    by_cli = done.stdout.splitlines()
    assert len(by_cli) == 11
    asked_by_cli = sessions(heroku)
    heroku.asked.clear()
    code, lines = project.events("logs", "heroku/web", "--tail", "1500")
    assert code == 0
    assert asked_by_cli == sessions(heroku) == [{"dyno": "web", "lines": 1500, "tail": False}]
    for shown, line in zip(by_cli, lines, strict=True):
        dyno, _, source = line["instance"].partition("/")
        time_of_cli, _, rest = shown.partition(" ")
        assert rest == f"{source or 'app'}[{dyno}]: {line['line']}"
        assert time_of_cli == line["written_at"].replace("000Z", "+00:00")


def test_the_cli_and_shipit_follow_the_same_lines(project: Shipit, heroku: Recording, cli: dict[str, str]) -> None:
    app = heroku.apps["shop-prod"]
    command = [started(heroku_cli), "logs", "-a", "shop-prod", "--process-type", "worker", "--tail"]
    with (
        subprocess.Popen(command, env=cli, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process,
        project.start("logs", "-f", "heroku/worker") as own,
    ):
        assert process.stdout is not None and own.stdout is not None
        heads = [[stream.readline() for _ in range(5)] for stream in (process.stdout, own.stdout)]
        app.write("app[web.1]", "not this one")
        app.write("app[worker.1]", "new")
        news = [stream.readline() for stream in (process.stdout, own.stdout)]
        for follower in (process, own):
            follower.terminate()
    for shown in (*heads, news):
        assert shown
    assert [row.partition("]: ")[2] for row in heads[0]] == [row.partition(" | ")[2] for row in heads[1]]
    assert news[0].endswith("app[worker.1]: new\n") and news[1].endswith("heroku/worker.1 | new\n")
    assert {"dyno": "worker", "lines": 100, "tail": True} in sessions(heroku)
    assert {"dyno": "worker", "lines": 1500, "tail": True} in sessions(heroku)


@pytest.mark.sampled
@only_deep
def test_a_session_that_is_over_ends_the_cli_and_is_opened_again_by_shipit(
    project: Shipit, heroku: Recording, cli: dict[str, str]
) -> None:
    heroku.sessions.lasts_s, heroku.sessions.valid_s = 1.0, 60.0
    command = [started(heroku_cli), "logs", "-a", "shop-prod", "--tail"]
    done = subprocess.run(command, env=cli, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "Log stream timed out. Please try again." in done.stderr
    heroku.sessions.valid_s = 1.0
    app = heroku.apps["shop-prod"]
    with project.start("logs", "-f", "--tail", "0", "heroku/worker") as own:
        assert own.stdout is not None
        is_over = threading.Event()

        def work() -> None:
            for number in range(1000):
                app.write("app[worker.1]", str(number))
                if is_over.wait(0.1):
                    return

        writer = threading.Thread(target=work)
        writer.start()
        found = [int(own.stdout.readline().partition(" | ")[2])]
        ends = time.monotonic() + 6
        while time.monotonic() < ends:
            found.append(int(own.stdout.readline().partition(" | ")[2]))
        is_over.set()
        writer.join()
        own.terminate()
    assert found == list(range(found[0], found[-1] + 1))
    assert sum(body["tail"] for body in sessions(heroku) if isinstance(body, dict)) >= 3


def changes(heroku: Recording) -> list[tuple[str, str, Any]]:
    """What was asked since the last time, beside reads: method, path and body."""
    found = [(method, path, body) for method, path, _, body in heroku.asked if method != "GET"]
    heroku.asked.clear()
    return found


@pytest.mark.sampled
@only_deep
def test_the_cli_and_shipit_scale_restart_and_delete_with_the_same_requests(
    project: Shipit, heroku: Recording, cli: dict[str, str]
) -> None:
    project.write(
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVING_APP,
        deploy__yml="app: shop\nimage: {build: .}\n"
        "targets: {heroku: {app: shop-prod, settle: 0s, processes: {web: {}, worker: {}}}}\n",
    )
    deployed = project.run("deploy")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    app = heroku.apps["shop-prod"]

    def by_cli(*words: str) -> list[tuple[str, str, Any]]:
        heroku.asked.clear()
        command = [started(heroku_cli), *words, "-a", "shop-prod"]
        done = subprocess.run(command, env=cli, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return changes(heroku)

    def by_shipit(*words: str) -> list[tuple[str, str, Any]]:
        heroku.asked.clear()
        done = project.run(*words, "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        return changes(heroku)

    # A number in the API's schema: the CLI sends its digits.
    [(method, path, body)] = by_cli("ps:scale", "web=2", "worker=1")
    assert [app.formation[process]["quantity"] for process in ("web", "worker")] == [2, 1]
    assert body == {"updates": [{"quantity": "2", "type": "web"}, {"quantity": "1", "type": "worker"}]}
    updates = [{"type": "web", "quantity": 1}, {"type": "worker", "quantity": 0}]
    assert by_shipit("scale", "heroku/web=1", "heroku/worker=0") == [(method, path, {"updates": updates})]
    assert by_cli("ps:restart", "--process-type", "web") == by_shipit("restart", "heroku/web")
    by_cli("ps:scale", "web=2")
    both = [*by_cli("ps:restart", "--dyno-name", "web.1"), *by_cli("ps:restart", "--dyno-name", "web.2")]
    assert both == by_shipit("restart", "heroku/web")
    stopped = by_shipit("destroy", "-e", "production")
    assert stopped == [("PATCH", "/apps/shop-prod/formation", {"updates": [{"quantity": 0, "type": "web"}]})]
    deleted = by_shipit("destroy", "-e", "production", "--include", "app/shop-prod")
    heroku.create_app("shop-prod")
    assert by_cli("apps:destroy", "--confirm", "shop-prod") == deleted == [("DELETE", "/apps/shop-prod", None)]
