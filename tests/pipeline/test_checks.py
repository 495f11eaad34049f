"""The checks of a target: which answers are good, for how long, and what a bad one leads to."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from shipit.config.target_check import CheckConfig
from shipit.events import PlanMade, TargetFinished, Waiting
from shipit.pipeline.answers import Answered, describe_check, judge_answer
from shipit.pipeline.flow import deploy
from shipit.rehearsal.registry import EmbeddedRegistry
from tests import runs
from tests.http.scripted import ScriptedServer, Start, Step, answer, deaf
from tests.in_process import InProcess
from tests.pipeline.bench import Bench

URL = "https://shop.example.com/healthz?token=x"
GOOD = [answer(b"all is ready")]


@pytest.mark.parametrize(
    ("check", "answered", "problem"),
    [
        ({}, Answered(200), ""),
        ({}, Answered(204), ""),
        ({}, Answered(302), "answered 302, not 2xx"),
        ({}, Answered(503), "answered 503, not 2xx"),
        ({"status": 401}, Answered(401), ""),
        ({"status": 204}, Answered(200), "answered 200, not 204"),
        ({"text": "ready"}, Answered(200, "it is ready"), ""),
        ({"text": "ready"}, Answered(200, "starting"), "answered 200 without the text 'ready'"),
        ({"text": "ready", "status": 500}, Answered(500, "ready"), ""),
        ({"within": "2s"}, Answered(200, seconds=2.0), ""),
        ({"within": "2s"}, Answered(200, seconds=2.1), "answered 200 after 2.1 s, not within 2 s"),
        ({}, Answered(error="gave no answer within 10 s"), "gave no answer within 10 s"),
    ],
)
def test_an_answer_is_judged_by_status_text_and_time(
    check: dict[str, object], answered: Answered, problem: str
) -> None:
    assert judge_answer(CheckConfig.model_validate({"url": URL, **check}), answered) == problem


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({}, "GET shop.example.com/healthz answers 2xx within 10 s"),
        (
            {"status": 200, "text": "ready", "within": "2s", "settle": "1m"},
            "GET shop.example.com/healthz answers 200 with the text 'ready' within 2 s, for 1m",
        ),
    ],
)
def test_a_check_is_described_without_the_query(check: dict[str, object], said: str) -> None:
    assert describe_check(CheckConfig.model_validate({"url": URL, **check})) == said


def checked(bench: Bench, server: ScriptedServer, **check: object) -> None:
    bench.add("one", check={"url": f"{server.url}/healthz", **check}, pending="0s")


def end(bench: Bench) -> TargetFinished:
    [finished] = bench.of(TargetFinished)
    assert isinstance(finished, TargetFinished)
    return finished


def test_a_deploy_waits_until_every_answer_was_good_for_the_time_of_the_check(bench: Bench, serve: Start) -> None:
    server = serve(*[GOOD] * 4)
    checked(bench, server, text="ready", settle="6s")
    assert deploy(bench.run()) == 0
    assert server.connections == 4, "each request has a new connection"
    assert end(bench).elapsed_s >= 6
    [made] = bench.of(PlanMade)
    assert isinstance(made, PlanMade)
    assert made.plan.targets[0].notes[-1].endswith("/healthz answers 2xx with the text 'ready' within 10 s, for 6s")
    assert any(isinstance(event, Waiting) and event.reason.startswith("checking: GET ") for event in bench.events)


def test_an_unchanged_deploy_sends_one_request_and_its_plan_tells_of_none(bench: Bench, serve: Start) -> None:
    checked(bench, serve(*[GOOD] * 2))
    assert deploy(bench.run()) == 0
    server = serve(GOOD)
    checked(bench, server, settle="1m")
    assert deploy(bench.run()) == 0
    assert (bench.verdicts(), server.connections) == ({"one": "unchanged"}, 1)
    [made] = bench.of(PlanMade)
    assert isinstance(made, PlanMade) and made.plan.targets[0].notes == ()


def test_a_bad_answer_after_a_good_one_is_a_failure_that_shows_it(bench: Bench, serve: Start) -> None:
    server = serve(GOOD, [answer(b"first\n\nsecond \x1b[2J\n", "503 Service Unavailable")])
    checked(bench, server, settle="1m")
    assert deploy(bench.run()) == 1
    failed = end(bench)
    assert failed.reason.endswith("/healthz answered 503, not 2xx") and failed.reason.startswith("it was healthy, but")
    assert failed.detail == ("first", "second \x1b[2J") and "shipit logs one" in failed.hint


def test_the_first_good_answer_may_take_as_long_as_pending(bench: Bench, serve: Start) -> None:
    bad = [answer(b"", "502 Bad Gateway")]
    server = serve(bad, bad, GOOD)
    bench.add("one", check=[f"{server.url}/"], pending="5s")
    assert deploy(bench.run()) == 0
    other = serve(bad, bad, bad, GOOD)
    bench.add("one", check=[f"{other.url}/"], pending="4s")
    (bench.folder / "hello.txt").write_text("changed\n")
    assert deploy(bench.run()) == 1
    assert (other.connections, end(bench).state) == (3, "failed")


def test_on_failure_rollback_follows_a_failed_check(bench: Bench, serve: Start) -> None:
    in_memory = bench.add("one")
    assert deploy(bench.run()) == 0
    before = dict(in_memory.images)
    (bench.folder / "hello.txt").write_text("changed\n")
    server = serve([answer(b"", "500 Internal Server Error")])
    bench.add("one", check=f"{server.url}/", pending="0s", on_failure="rollback")
    assert deploy(bench.run()) == 1
    assert end(bench).is_rolled_back and "rolled back to what ran before" in end(bench).reason
    assert in_memory.images == before


def test_a_failed_check_of_an_unchanged_target_rolls_nothing_back(bench: Bench, serve: Start) -> None:
    in_memory = bench.add("one")
    for text in ("first\n", "second\n"):
        (bench.folder / "hello.txt").write_text(text)
        assert deploy(bench.run()) == 0
    # Another deploy goes on, or was killed.
    in_memory.records[-1]["past"]["state"] = "begun"
    writes = list(in_memory.writes)
    server = serve([answer(b"", "500 Internal Server Error")])
    bench.add("one", check=f"{server.url}/", pending="0s", on_failure="rollback")
    assert deploy(bench.run()) == 1
    assert in_memory.writes == writes and not end(bench).is_rolled_back
    assert end(bench).reason.endswith("answered 500, not 2xx; not rolled back: this deploy did not change it")


def test_a_target_is_looked_at_again_after_its_checks(bench: Bench, serve: Start) -> None:
    in_memory = bench.add("one")

    def broken(client: socket.socket) -> None:
        in_memory.fails = "judge"
        client.sendall(answer(b"ready"))

    checked(bench, serve(GOOD, [broken]), settle="2s")
    assert deploy(bench.run()) == 1
    assert end(bench).reason == "it broke"


def test_a_failed_check_ends_the_others_of_its_target(bench: Bench, serve: Start) -> None:
    bad, good = serve([answer(b"", "404 Not Found")]), serve(*[GOOD] * 20)
    check = [{"url": f"{bad.url}/a"}, {"url": f"{good.url}/b", "settle": "9m"}]
    bench.add("one", check=check, pending="0s")
    assert deploy(bench.run()) == 1
    assert "/a answered 404, not 2xx" in end(bench).reason


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ([b"SSH-2.0-nothing\r\n\r\n"], "failed: "),
        ([answer(b"", "302 Found", "Location: http://u@h^/")], "failed: "),
        ([answer(b"", "200 OK", "Content-Encoding: gzip") + b""], ""),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000], "answered 200 without the text 'ready'"),
        ([b"HTTP/1.1 500 Bad\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000], "failed: the answer is longer"),
    ],
)
def test_hostile_answers_are_bounded(bench: Bench, serve: Start, script: Sequence[Step], reason: str) -> None:
    server = serve(*[script] * 3)
    checked(bench, server, **({"text": "ready"} if reason else {}))
    assert deploy(bench.run()) == (1 if reason else 0)
    assert reason in end(bench).reason
    assert sum(len(line) for line in end(bench).detail) < 30_000


def test_an_answer_that_does_not_come_ends_at_its_time_limit(tmp_path: Path, serve: Start) -> None:
    server = serve([deaf])
    events: list[object] = []
    with EmbeddedRegistry() as there:
        text = (
            f"app: app\nimage: {there.host}/app\ntargets:\n"
            f"  hub: {{settle: 0s, pending: 0s, check: {{url: '{server.url}', within: 2s}}}}\n"
        )
        process_environment = runs.environment(tmp_path)
        loaded = runs.project(tmp_path, text, process_environment)
        clock = runs.EventClock(lambda: server.heads)
        begun = runs.run(loaded, process_environment, events, clock=clock)  # type: ignore[arg-type]
        assert deploy(begun) == 1
        begun.close()
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    assert finished.reason.endswith("gave no answer within 2 s")


def test_a_check_follows_redirects_unless_it_wants_one(bench: Bench, serve: Start) -> None:
    server = serve([answer(b"", "302 Found", "Location: /other"), answer(b"ready")], GOOD)
    checked(bench, server, text="ready")
    assert deploy(bench.run()) == 0
    redirecting = serve([answer(b"", "302 Found", "Location: https://login.example.com/")])
    checked(bench, redirecting, status=302)
    assert deploy(bench.run()) == 0


def test_a_secret_in_an_answer_is_not_shown(bench: Bench, serve: Start) -> None:
    bench.text += "secrets: {TOKEN: {env: TOKEN}}\n"
    checked(bench, serve([answer(b"denied for canary-4711", "403 Forbidden")]))
    assert deploy(bench.run(TOKEN="canary-4711")) == 1
    assert "denied for" in end(bench).detail[0] and "canary" not in repr(bench.events)


def test_the_answer_is_not_shown_to_an_untrusted_file(in_process: InProcess, serve: Start) -> None:
    server = serve([answer(b"credentials of this machine", "403 Forbidden")])
    with EmbeddedRegistry() as there:
        in_process.write(
            Dockerfile='FROM scratch\nCOPY hello.txt /\nCMD ["x"]\n',
            hello__txt="hello\n",
            deploy__yml=f"app: shop\nimage: {there.host}/shop\n"
            f"targets: {{hub: {{settle: 0s, pending: 0s, check: '{server.url}/latest'}}}}\n",
        )
        done = in_process.run("deploy", "--untrusted")
    assert done.returncode == 1
    assert "/latest answered 403, not 2xx" in done.stdout + done.stderr
    assert "credentials of" not in done.stdout + done.stderr
