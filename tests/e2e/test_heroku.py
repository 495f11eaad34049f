"""Heroku on the strict stand-in, the program as its users run it, and everything that goes wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.server import Request, Response
from tests.sampled import only_deep
from tests.shipit import PYTHON_DOCKERFILE, Shipit
from tests.waits import SOON_S, wait_until

SERVER = "import http.server, os\nprint('serving', flush=True)\nhttp.server.HTTPServer(('', int(os.environ['PORT'])), http.server.BaseHTTPRequestHandler).serve_forever()\n"


class Moody(HerokuStandIn):
    """Loses the answer to a PATCH after doing it, or lets another release slip in, once."""

    mood = ""

    def answer(self, request: Request) -> Response:
        answer = super().answer(request)
        if request.method == "PATCH" and self.mood == "lose":
            self.mood = ""
            return Response(503, b"")
        if request.method == "PATCH" and self.mood == "foreign":
            self.mood = ""
            app = self.apps["shop-prod"]
            app.formation["web"]["image"] = "sha256:" + "f" * 64
            app.add_release("Deployed web (ffffffffffff)")
        return answer


@pytest.fixture
def heroku_kind() -> type[HerokuStandIn]:
    return Moody


def write(
    shipit: Shipit,
    *,
    target: str = "{app: shop-prod, settle: 0s}",
    more: str = "",
    dockerfile: str = PYTHON_DOCKERFILE,
    app: str = SERVER,
) -> None:
    shipit.write(
        Dockerfile=dockerfile,
        app__py=app,
        deploy__yml=f"app: shop\nimage: {{build: .}}\n{more}\ntargets:\n  heroku: {target}\n",
    )


def last_lines(text: str, count: int = 2) -> list[str]:
    return text.splitlines()[-count:]


def test_release_phase_processes_config_and_scale(shipit: Shipit, heroku: Moody) -> None:
    processes = "{web: {quantity: 2}, clock: {command: [python, -c, 'import time; time.sleep(99)'], quantity: 1, size: standard-1x}}"
    write(
        shipit,
        target=f"{{app: shop-prod, settle: 0s, processes: {processes}}}",
        more="env: {MODE: live}\nsecrets: {TOKEN: {env: MY_TOKEN}}\nrelease: [python, -c, \"import os; print('migrating', os.environ['MODE'], os.environ['TOKEN'])\"]",
    )
    shipit.env["MY_TOKEN"] = "canary-4711"
    done = shipit.run("deploy", "heroku")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "heroku: release | migrating live [redacted]" in done.stderr
    app = heroku.apps["shop-prod"]
    assert app.config == {"MODE": "live", "TOKEN": "canary-4711", "SHIPIT_VARIABLES": "MODE,TOKEN"}
    assert [(dyno.name, dyno.state) for dyno in app.dynos] == [("clock.1", "up"), ("web.1", "up"), ("web.2", "up")]
    assert app.formation["clock"]["size"] == "standard-1x"
    images = {name: row["image"] for name, row in app.formation.items()}
    assert len(set(images.values())) == 3, "a command of its own is a config of its own"
    writes = [(m, p) for m, p in heroku.log if m == "PATCH"]
    assert writes == [
        ("PATCH", "/apps/shop-prod/config-vars"),
        ("PATCH", "/apps/shop-prod/formation"),
        ("PATCH", "/apps/shop-prod/formation"),
    ]
    assert heroku.unknown == heroku.registry.unknown == []
    again = shipit.run("deploy")
    [done_line] = [line for line in again.stdout.splitlines() if line.startswith("done: ")]
    assert (again.returncode, done_line.split(" in ")[0]) == (0, "done: nothing changed, 1 of 1 targets healthy")
    assert [(m, p) for m, p in heroku.log if m == "PATCH"] == writes


def test_a_release_phase_that_fails_leaves_what_runs(shipit: Shipit, heroku: Moody) -> None:
    write(shipit)
    assert shipit.run("deploy").returncode == 0
    before = dict(heroku.apps["shop-prod"].formation["web"])
    tag = heroku.registry.tags["shop-prod/web", "latest"]
    write(
        shipit,
        app=SERVER + "# changed\n",
        more="release: [python, -c, \"print('no such table'); raise SystemExit(3)\"]",
    )
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "FAILED  heroku" in done.stdout
    assert "release v3 failed" in done.stdout
    assert "        | no such table" in done.stdout
    assert "        hint: fix the release command and deploy again; as many dynos are up as before" in done.stdout
    assert heroku.apps["shop-prod"].formation["web"] == before
    assert heroku.registry.tags["shop-prod/web", "latest"] == tag


def test_a_dyno_that_crashes(shipit: Shipit, heroku: Moody) -> None:
    write(shipit, app="raise SystemExit('no DATABASE_URL')\n")
    started = time.monotonic()
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "FAILED  heroku  web.1 crashed at v2" in done.stdout
    assert "        | app[web.1]: no DATABASE_URL" in done.stdout
    assert "        | heroku[web.1]: Process exited with status 1" in done.stdout
    assert "        hint: heroku logs --app shop-prod" in done.stdout
    assert "        shop-prod is DOWN at v2" in done.stdout
    assert time.monotonic() - started < SOON_S


def test_a_lost_answer_is_not_a_second_release(shipit: Shipit, heroku: Moody) -> None:
    write(shipit)
    heroku.mood = "lose"
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["description"].split(" ")[0] for row in heroku.apps["shop-prod"].releases] == ["Initial", "Deployed"]


def test_a_foreign_release_is_noticed(shipit: Shipit, heroku: Moody) -> None:
    write(shipit)
    heroku.mood = "foreign"
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "web runs ffffffffffff, not " in done.stdout
    assert "someone else released v3" in done.stdout


BAD: list[Any] = [
    pytest.param(
        {"HEROKU_API_KEY": "not-the-token"}, {},
        ["unauthorized: Invalid credentials provided", "hint: the token from HEROKU_API_KEY is wrong or expired: set HEROKU_API_KEY, or run heroku login"], id="token",
    ),
    pytest.param({"HEROKU_API_KEY": ""}, {}, ["not logged in to Heroku", "hint: set HEROKU_API_KEY, or run heroku login"], id="no-token"),
    pytest.param(
        {}, {"target": "{app: shop-gone}"},
        ["there is no app 'shop-gone' that this account may see", "hint: check app: in deploy.yml, or create it: heroku create shop-gone --stack container"],
        id="no-app",
    ),
    pytest.param({}, {"target": "{app: shop-old}"}, ["is on the stack heroku-24, which runs no images", "hint: heroku stack:set container --app shop-old"], id="stack"),
    pytest.param({}, {"target": "{app: shop-fir}"}, ["is of the Fir generation", "hint: create an app on Cedar: heroku create --stack container"], id="fir"),
    pytest.param(
        {}, {"dockerfile": "FROM scratch\nCOPY app.py /\n"},
        ["image shop: has no CMD, and Heroku runs nothing else", 'hint: end the Dockerfile with CMD, for example CMD ["python", "app.py"], or give the process a command:'],
        id="no-cmd",
    ),
    pytest.param({"SHIPIT_HEROKU_API": "http://127.0.0.1:1"}, {}, ["no connection: connection refused", "hint: check that 127.0.0.1 can be reached"], id="unreachable"),
    pytest.param({"SHIPIT_HEROKU_API": "http://api.example"}, {}, ["a token is only sent over https"], id="plain-http"),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "changes", "expected"), BAD)
def test_one_message_and_nothing_written(
    shipit: Shipit, heroku: Moody, variables: dict[str, str], changes: dict[str, str], expected: list[str]
) -> None:
    heroku.create_app("shop-old", stack="heroku-24")
    heroku.create_app("shop-fir", stack="cnb", generation="fir")
    write(shipit, **changes)
    shipit.env |= variables
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert all(part in done.stderr for part in expected), done.stderr
    assert "Traceback" not in done.stderr
    assert heroku.registry.tags == {} and [row for row in heroku.log if row[0] == "PATCH"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_ends_at_once_and_the_next_run_converges(shipit: Shipit, heroku: Moody, number: int) -> None:
    may_serve = shipit.folder.parent / "may-serve"
    write(shipit, app=f"import os, time\nwhile not os.path.exists('{may_serve}'): time.sleep(0.05)\n{SERVER}")
    process = shipit.start("deploy")
    wait_until("it releases", lambda: ("PATCH", "/apps/shop-prod/formation") in heroku.log)
    time.sleep(0.3)
    sent = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - sent < SOON_S
    assert process.returncode == 130, out + err
    assert last_lines(err) == [
        "interrupted",
        "hint: run the same command again: it picks up from what is already in place",
    ]
    may_serve.touch()
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(heroku.apps["shop-prod"].releases) == 2, "nothing is doubled"


def test_a_release_command_without_an_end_is_left_at_the_deadline(shipit: Shipit, heroku: Moody) -> None:
    tick = "import time\nfor n in range(600):\n    print('tick', n, flush=True)\n    time.sleep(0.2)"
    write(
        shipit, target="{app: shop-prod, settle: 0s, timeout: 20s}", more=f"release: [python, -c, {json.dumps(tick)}]"
    )
    started = time.monotonic()
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "release v2 was still pending at the deadline, and goes on" in done.stdout
    assert "heroku: release | tick 0" in done.stderr
    assert time.monotonic() - started < 100
    write(
        shipit,
        app=SERVER + "# changed\n",
        more=f"release: {{command: [python, -c, {json.dumps(tick)}], timeout: 2s}}",
    )
    done = shipit.run("deploy")
    assert "was still pending after 2 s, the timeout of release:, and goes on" in done.stdout


@pytest.mark.sampled
@only_deep
@pytest.mark.parametrize("line", ["'x' * 800 + chr(10)", "'x' * 1000"], ids=["lines", "one-line"])
def test_sixty_megabytes_of_output_need_little_memory(shipit: Shipit, heroku: Moody, line: str) -> None:
    flood = f"import sys\npiece = ({line}) * 1000\nfor n in range(60_000_000 // len(piece)): sys.stdout.write(piece)\nprint(); print('done')"
    write(shipit, more=f"release: [python, -c, {json.dumps(flood)}]")
    shipit.write(
        measure__py="import resource, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'shipit', 'deploy'], stderr=subprocess.PIPE)\n"
        "print('tail', done.stderr[-300:])\n"
        "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)\n"
        "sys.exit(done.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "measure.py"],
        cwd=shipit.folder,
        env=shipit.measured(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "release | done" in done.stdout
    peak = int(done.stdout.rpartition("peak ")[2])
    assert peak < 120, f"{peak} MiB"
