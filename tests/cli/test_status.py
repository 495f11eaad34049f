"""`shipit status`: without what only a deploy needs, and again and again."""

from __future__ import annotations

import json
import select
import signal
import time
from pathlib import Path
from typing import IO

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.shipit import Shipit
from tests.targets.answering_host import answering_host

FILE = (
    "app: shop\nimage: {build: {context: ., args: {LEVEL: '${LEVEL}'}}}\n"
    "env: {MODE: '${MODE}', OTHER: '${MODE}'}\nsecrets: {TOKEN: {env: TOKEN_OF_THE_APP}}\n"
    "targets: {heroku: {app: shop-prod, settle: 0s}}\n"
)
UNSET = ["LEVEL is not set", "MODE is not set", "MODE is not set"]


def test_a_status_needs_no_secret_and_no_variable_of_a_deploy(shipit: Shipit) -> None:
    with HerokuStandIn(token="token-of-heroku") as heroku:
        heroku.create_app("shop-prod")
        shipit.env |= heroku.variables()
        shipit.write(deploy__yml=FILE)
        assert shipit.run("plan").returncode == 2
        done = shipit.run("status")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0].split() == ["TARGET", "WHAT", "VERSION"]
        assert done.stdout.splitlines()[1].split() == ["heroku", "nothing", "runs", "there", "v1"]
        assert [line.rpartition(": ")[2] for line in done.stderr.splitlines()] == UNSET
        code, events = shipit.events("status")
        assert code == 0 and [event["event"] for event in events] == ["warned", "warned", "warned", "status_read"]


def test_every_command_that_goes_on_without_a_variable_says_so(in_process: Shipit) -> None:
    with EmbeddedRegistry() as registry, HerokuStandIn(token="token-of-heroku") as heroku:
        heroku.create_app("shop-prod")
        in_process.env |= heroku.variables()
        in_process.write(deploy__yml=FILE.replace("image: {", f"image: {{repository: {registry.host}/shop, "))
        for words in (
            ("open",), ("logs",), ("images",), ("history",), ("diff", "v1", "v2"), ("unlock",), ("prune", "--keep", "3"), ("destroy", "-e", "production", "--yes"),
            ("run", "heroku", "--", "true"), ("exec", "heroku", "--", "true"), ("forward", "heroku", "80"),
        ):  # fmt: skip
            done = in_process.run(*words)
            said = [line.rpartition(": ")[2] for line in done.stderr.splitlines() if "is not set" in line]
            assert said == UNSET, (words, done.stderr)


def test_a_variable_that_names_a_place_is_needed(shipit: Shipit) -> None:
    shipit.write(deploy__yml=FILE.replace("app: shop-prod", "app: '${APP}'"))
    done = shipit.run("status")
    assert done.returncode == 2
    assert done.stderr.count("is not set") == 1 and "targets.heroku.app: APP is not set" in done.stderr


@pytest.mark.parametrize(
    "target",
    [
        "env: {kind: kubernetes, context: '${PLACE}', workloads: {web: {port: 80}}}",
        "env: {kind: kubernetes, server: '${PLACE}', workloads: {web: {port: 80}}}",
        "args: {kind: kubernetes, namespace: '${PLACE}', workloads: {web: {port: 80}}}",
        "args: {kind: heroku, app: '${PLACE}'}",
        "k8s: {workloads: {env: {port: 80, host: '${PLACE}'}}}",
    ],
)
@pytest.mark.parametrize("command", [("status",), ("restart", "--yes"), ("logs",)])
def test_a_place_is_needed_also_where_a_name_is_env_or_args(
    shipit: Shipit, target: str, command: tuple[str, ...]
) -> None:
    """Without it, the command would be about the place that kubectl is for."""
    shipit.write(deploy__yml=f"app: shop\nimage: {{repository: registry.example/shop}}\ntargets:\n  {target}\n")
    done = shipit.run(*command)
    assert done.returncode == 2 and "PLACE is not set" in done.stderr, done.stderr


@pytest.mark.parametrize("mistake", ["env: {A: '${A'}", "secrets: {S: {env: '${A}'}}", "image: {repository: '${A}/b'}"])
def test_other_mistakes_are_mistakes_for_a_status_too(shipit: Shipit, mistake: str) -> None:
    shipit.write(deploy__yml=f"app: shop\ntargets: {{heroku: {{app: shop-prod}}}}\n{mistake}\n")
    done = shipit.run("status")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "deploy.yml:3:" in done.stderr, done.stderr


def test_watching_prints_what_changes_until_ctrl_c(shipit: Shipit) -> None:
    with HerokuStandIn(token="token-of-heroku") as heroku:
        app = heroku.create_app("shop-prod")
        shipit.env |= heroku.variables()
        shipit.write(deploy__yml=FILE)
        watching = shipit.start("status", "--watch", "--output", "json")
        assert watching.stdout is not None
        lines = []
        try:
            lines += [_line(watching.stdout) for _ in (*UNSET, "the first look")]
            app.add_release("Set MODE config vars")
            lines.append(_line(watching.stdout))
            heroku.token = "another"
            lines.append(_line(watching.stdout))
            heroku.token = "token-of-heroku"
            lines.append(_line(watching.stdout))
            watching.send_signal(signal.SIGINT)
            rest, errors = watching.communicate(timeout=60)
        finally:
            watching.kill()
        assert watching.returncode == 130
        warnings, events = [json.loads(line) for line in lines[:3]], [json.loads(line) for line in lines[3:]]
        assert [event["message"].rpartition(": ")[2] for event in warnings] == UNSET
        assert [event["event"] for event in events] == ["status_read", "status_read", "warned", "status_read"]
        assert [event["targets"][0]["version"] for event in events[:2]] == ["v1", "v2"]
        assert events[3]["targets"] == events[1]["targets"], "the place can be read again, and is as it was"
        assert "unauthorized" in events[2]["message"]
        assert rest.count("warned") == 0, "it is said once"
        assert "Traceback" not in errors


def test_watching_shows_a_host_that_does_not_answer_beside_the_others(shipit: Shipit, tmp_path: Path) -> None:
    with answering_host(tmp_path, {"GET /containers/json": [], "GET /images/json": []}) as (client, _):
        hosts = [f"unix://{tmp_path}/docker.sock", f"unix://{tmp_path}/nobody.sock"]
        assert client.containers() == []
        shipit.write(
            deploy__yml=f"app: shop\nimage: r.example/shop\ntargets: {{hosts: {{kind: docker, hosts: {hosts}}}}}\n"
        )
        once = shipit.run("status")
        assert once.returncode == 1 and "not reached" in once.stdout, once.stderr
        watching = shipit.start("status", "--watch", "--output", "json")
        assert watching.stdout is not None
        try:
            seen = json.loads(_line(watching.stdout))
            watching.send_signal(signal.SIGINT)
            watching.communicate(timeout=60)
        finally:
            watching.kill()
        assert watching.returncode == 130
        assert seen["event"] == "status_read" and seen["targets"][0]["unread"] == [hosts[1]]


def _line(stream: IO[str]) -> str:
    end = time.monotonic() + 60
    while not select.select([stream], [], [], 0.2)[0]:
        assert time.monotonic() < end, "nothing was printed"
    return stream.readline()
