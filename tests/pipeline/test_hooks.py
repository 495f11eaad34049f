"""Hooks: when they run, what they get, and what a failing one leads to."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shipit.config.hooks import HookConfig, HooksConfig
from shipit.errors import ConfigErrors, DeployFailed, Interrupted, ShipitError, UsageError
from shipit.events import Event, Log, PlanMade, RunFinished, StepDone, StepStarted, TargetFinished, Warned
from shipit.pipeline.change import Change, change
from shipit.pipeline.destroy import destroy
from shipit.pipeline.flow import deploy, plan, push
from shipit.pipeline.hook_text import describe_hook, hook_lines
from shipit.pipeline.return_to_release import rollback
from shipit.pipeline.run import Run
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Destruction
from shipit.report.plan_markdown import render_plan_markdown
from shipit.report.plan_text import render_plan
from shipit.targets.orders import RestartOrder
from shipit.targets.verbs import restarts
from tests import runs
from tests.http.scripted import Start, answer, deaf
from tests.in_process import InProcess
from tests.pipeline.bench import Bench

KEEP = "cat > {}.json; echo {} >> order"


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ({"command": "./announce ${TOKEN} | tee log"}, "./announce ${TOKEN} | tee log"),
        ({"command": ["./announce", "two words"]}, "./announce 'two words'"),
        ({"url": "https://ci.example.com/deploys?key=x"}, "POST ci.example.com/deploys"),
        ({"url": {"env": "CHAT_URL"}, "method": "PUT"}, "PUT to the URL of the variable CHAT_URL"),
        ({"url": {"command": "op read secret"}}, "POST to the URL of a command"),
    ],
)
def test_a_hook_is_described_without_what_may_be_a_credential(hook: dict[str, Any], said: str) -> None:
    assert describe_hook(HookConfig.model_validate(hook)) == said


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ({}, []),
        ({"before": []}, []),
        ({"before": "a b"}, ["hook before: a b"]),
        ({"after": ["a", "b"]}, ["hook after: a b"]),
        (
            {"on_failure": [{"command": "a"}, {"url": "http://x/y"}], "before": {"command": ["b"]}},
            ["hook before: b", "hook on_failure: a", "hook on_failure: POST x/y"],
        ),
        (
            {"after": [{"command": "a", "on": ["scale"]}, {"command": "b", "on": ["scale", "deploy"]}]},
            ["hook after: b"],
        ),
    ],
)
def test_text_and_a_list_of_words_are_one_hook_and_a_list_of_maps_several(
    written: dict[str, Any], lines: list[str]
) -> None:
    assert list(hook_lines(HooksConfig.model_validate(written), "deploy")) == lines


def hooked(bench: Bench, **hooks: object) -> None:
    """The hooks of the run."""
    bench.text += f"hooks: {json.dumps(hooks)}\n"


def told(bench: Bench, name: str) -> Any:
    return json.loads((bench.folder / f"{name}.json").read_text())


def order(bench: Bench) -> list[str]:
    file = bench.folder / "order"
    return file.read_text().split() if file.exists() else []


def finished(bench: Bench) -> RunFinished:
    [event] = bench.of(RunFinished)
    assert isinstance(event, RunFinished)
    return event


def warnings(bench: Bench) -> list[str]:
    return [event.message for event in bench.events if isinstance(event, Warned)]


def test_hooks_run_around_the_deploy_and_its_targets_and_get_plan_and_verdict(bench: Bench) -> None:
    hooked(bench, before=KEEP.format("b", "b"), after=KEEP.format("a", "a"), on_failure=KEEP.format("f", "f"))
    own = {"before": KEEP.format("tb", "tb"), "after": KEEP.format("ta", "ta")}
    bench.add("one", hooks=own)
    run = bench.run()
    assert deploy(run) == 0
    assert order(bench) == ["b", "tb", "ta", "a"]
    before = told(bench, "b")
    assert (before["hook"], before["run"], before["command"], before["target"]) == ("before", run.id, "deploy", "")
    assert before["plan"]["targets"][0]["steps"][0]["type"] == "memory.set" and "verdict" not in before
    assert told(bench, "ta")["target"] == "one" and told(bench, "ta")["verdict"]["targets"][0]["state"] == "healthy"
    after = told(bench, "a")["verdict"]
    assert (after["exit_code"], after["summary"]) == (0, "1 of 1 targets healthy")
    assert [target["target"] for target in after["targets"]] == ["one"]
    steps = [event.step.subject for event in bench.events if isinstance(event, StepStarted)]
    assert steps.index("before[0]") < next(i for i, name in enumerate(steps) if name.startswith(bench.registry.host))


def test_a_rollback_runs_the_hooks_around_what_it_changes(bench: Bench) -> None:
    hooked(bench, before="cat > before.json", after="cat > after.json", on_failure="touch failed")
    bench.add("one", hooks={"before": "cat > one.json"})
    bench.add("two")
    assert deploy(bench.run()) == 0
    (bench.folder / "hello.txt").write_text("another\n")
    assert deploy(bench.run()) == 0
    for name in ("before", "after", "one"):
        (bench.folder / f"{name}.json").unlink()
    assert rollback(bench.run()) == 0
    [made] = bench.of(PlanMade)
    assert isinstance(made, PlanMade)
    assert made.plan.hooks == (
        "hook before: cat > before.json",
        "hook after: cat > after.json",
        "hook on_failure: touch failed",
    )
    given = {name: json.loads((bench.folder / f"{name}.json").read_text()) for name in ("before", "after", "one")}
    assert {data["command"] for data in given.values()} == {"rollback"}
    assert [target["target"] for target in given["one"]["plan"]["targets"]] == ["one"]
    assert given["after"]["verdict"]["exit_code"] == 0 and len(given["after"]["verdict"]["targets"]) == 2
    assert not (bench.folder / "failed").exists()


def test_a_failing_before_hook_stops_a_rollback_before_any_change(bench: Bench) -> None:
    bench.add("one")
    assert deploy(bench.run()) == 0
    (bench.folder / "hello.txt").write_text("another\n")
    assert deploy(bench.run()) == 0
    hooked(bench, before="exit 3", on_failure="touch failed")
    writes = list(bench.worlds["one"].writes)
    with pytest.raises(DeployFailed, match="the hook before: exit 3"):
        rollback(bench.run())
    assert bench.worlds["one"].writes == writes and (bench.folder / "failed").exists()


def test_a_failing_before_hook_of_a_target_leaves_no_record_of_the_rollback(bench: Bench) -> None:
    in_memory = bench.add("one")
    assert deploy(bench.run()) == 0
    (bench.folder / "hello.txt").write_text("another\n")
    assert deploy(bench.run()) == 0
    bench.add("one", hooks={"before": "exit 3"})
    records, writes = list(in_memory.records), list(in_memory.writes)
    assert rollback(bench.run()) == 1
    assert (in_memory.records, in_memory.writes) == (records, writes)


def test_a_rollback_changes_the_first_target_alone_and_none_after_a_failure(bench: Bench) -> None:
    names = ("one", "two", "three")
    for name in names:
        bench.add(name)
    bench.text += "max_parallel: 1\n"
    assert deploy(bench.run()) == 0
    (bench.folder / "hello.txt").write_text("another\n")
    assert deploy(bench.run()) == 0
    bench.worlds["one"].fails = "apply"
    assert rollback(bench.run()) == 1
    assert bench.verdicts() == {"one": "failed", "two": "skipped", "three": "skipped"}
    bench.worlds["one"].fails = ""
    assert rollback(bench.run()) == 0
    started = [event.step.target for event in bench.of(StepStarted) if isinstance(event, StepStarted)]
    assert started == list(names)


def on(command: str, *verbs: str) -> dict[str, object]:
    return {"command": command, "on": list(verbs)}


VERBS = ["scale", "restart", "stop", "start"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_that_changes_what_runs_runs_the_hooks_that_are_for_it(bench: Bench, verb: str) -> None:
    hooked(
        bench,
        before=[on(KEEP.format("b", "b"), verb), {"command": "echo deploy >> order"}],
        after=on(KEEP.format("a", "a"), verb),
    )
    own = {"before": on(KEEP.format("tb", "tb"), verb), "after": on(KEEP.format("ta", "ta"), verb)}
    bench.add("one", hooks=own)
    bench.add("two")
    run = bench.run()
    assert ordered(run, verb) == 0
    assert order(bench) == ["b", "tb", "ta", "a"]
    [made] = bench.of(PlanMade)
    assert isinstance(made, PlanMade)
    assert made.plan.hooks == (f"hook before: {KEEP.format('b', 'b')}", f"hook after: {KEEP.format('a', 'a')}")
    assert f"hook after: {KEEP.format('ta', 'ta')}" in made.plan.targets[0].notes
    assert {told(bench, name)["command"] for name in ("b", "tb", "ta", "a")} == {verb}
    assert told(bench, "tb")["target"] == "one" and told(bench, "b")["plan"]["targets"][0]["steps"]
    assert told(bench, "a")["verdict"]["summary"] == "2 of 2 targets as ordered"


def ordered(run: Run, verb: str) -> int:
    """Change every target, as the commands do that change what runs."""
    order = RestartOrder(("app",), "2026-01-01T00:00:00Z")
    changes = [
        Change(target, partial(target.plan_restart, order), partial(target.judge_restart, order))
        for target in run.targets
        if restarts(target)
    ]
    return change(run, verb, changes)


def destroyed(bench: Bench) -> int:
    run = bench.run()
    run.confirm = lambda plan, reasons: True
    return destroy(run, Destruction(), is_selected=False)


def test_hooks_for_a_failure_of_such_a_command(bench: Bench) -> None:
    hooked(bench, on_failure=on(KEEP.format("f", "f"), "scale"), after=on("echo never >> order", "scale"))
    bench.add("one", hooks={"on_failure": on(KEEP.format("tf", "tf"), "scale")})
    bench.worlds["one"].fails = "judge"
    assert ordered(bench.run(), "scale") == 1
    assert order(bench) == ["tf", "f"]
    assert (
        told(bench, "f")["verdict"]["exit_code"] == 1
        and told(bench, "tf")["verdict"]["targets"][0]["state"] == "failed"
    )


def test_a_failing_before_hook_of_such_a_command_changes_nothing(bench: Bench) -> None:
    hooked(bench, before=on("exit 3", "restart"))
    in_memory = bench.add("one")
    with pytest.raises(DeployFailed, match="ended with 3; nothing was changed") as caught:
        ordered(bench.run(), "restart")
    assert caught.value.hint == "correct it, or its timeout, and run shipit restart again"
    assert in_memory.writes == []


def test_a_destroy_runs_the_hooks_that_are_for_it(bench: Bench) -> None:
    hooked(bench, before=on(KEEP.format("b", "b"), "destroy"), after=on(KEEP.format("a", "a"), "destroy"))
    bench.add("one", hooks={"before": on(KEEP.format("tb", "tb"), "destroy"), "after": on("exit 4", "destroy")})
    in_memory = bench.add(
        "two", hooks={"before": on("exit 3", "destroy"), "on_failure": on(KEEP.format("tf", "tf"), "destroy")}
    )
    assert deploy(bench.run()) == 0
    assert order(bench) == []
    assert destroyed(bench) == 1
    assert order(bench) == ["b", "tf", "tb"] and in_memory.images
    assert told(bench, "b")["command"] == "destroy" and told(bench, "tb")["plan"]["targets"][0]["steps"]
    reasons = {event.target: event.reason for event in bench.events if isinstance(event, TargetFinished)}
    assert reasons == {
        "two": "the hook before: exit 3 ended with 3; nothing of two was changed",
        "one": "it was removed, but the hook after: exit 4 ended with 4",
    }


def test_a_push_runs_the_hooks_of_the_run_that_are_for_it(bench: Bench) -> None:
    hooked(
        bench,
        before=on("exit 3", "push"),
        after=on(KEEP.format("a", "a"), "push"),
        on_failure=on(KEEP.format("f", "f"), "push"),
    )
    bench.add("one")
    with pytest.raises(DeployFailed, match="ended with 3; nothing was changed"):
        push(bench.run())
    assert not bench.registry.blobs and bench.registry.tags == {}, "nothing is uploaded while it runs, either"
    assert told(bench, "f")["command"] == "push"
    bench.text = bench.text.replace("exit 3", "true")
    push(bench.run())
    assert bench.registry.tags and told(bench, "a")["verdict"]["summary"] == "everything is pushed"
    (bench.folder / "a.json").unlink()
    push(bench.run())
    assert not (bench.folder / "a.json").exists(), "nothing was pushed"


def test_a_hook_that_is_not_for_a_command_asks_for_no_secret(bench: Bench) -> None:
    hooked(bench, after={"url": {"env": "NOT_SET"}, "on": ["destroy"]})
    bench.add("one")
    assert deploy(bench.run()) == 0


def test_secrets_of_the_targets_are_masked_in_the_output_of_a_hook_of_such_a_command(bench: Bench) -> None:
    bench.text += "secrets: {TOKEN: {env: TOKEN}}\n"
    hooked(bench, before=on("echo one $TOKEN", "scale"))
    bench.add("one")
    assert ordered(bench.run(TOKEN="canary-4711"), "scale") == 0
    assert Log("", "hook before", "one [redacted]") in bench.events


def test_an_unchanged_deploy_runs_no_hook(bench: Bench) -> None:
    hooked(bench, before="echo x >> order", after="echo x >> order")
    bench.add("one")
    assert deploy(bench.run()) == 0
    assert deploy(bench.run()) == 0
    assert order(bench) == ["x", "x"]
    [made] = bench.of(PlanMade)
    assert isinstance(made, PlanMade) and made.plan.hooks == ()


def test_the_plan_shows_the_hooks(bench: Bench) -> None:
    hooked(bench, before=["./check", "a b"], after={"url": "https://ci.example.com/x?token=y"})
    bench.add("one", hooks={"on_failure": "./page"})
    plan(bench.run())
    [made] = bench.of(PlanMade)
    assert isinstance(made, PlanMade)
    text = render_plan(made.plan)
    assert "  . hook on_failure: ./page" in text
    assert "around all of it\n  . hook before: ./check 'a b'\n  . hook after: POST ci.example.com/x\n" in text
    assert "hook before: ./check" in render_plan_markdown(made.plan)


def test_a_failing_before_hook_stops_before_any_change(bench: Bench) -> None:
    hooked(bench, before="echo too dear; exit 3", on_failure=KEEP.format("f", "f"))
    in_memory = bench.add("one")
    with pytest.raises(ShipitError, match=r"the hook before: .* ended with 3; nothing was changed") as caught:
        deploy(bench.run())
    assert caught.value.exit_code == 1 and caught.value.hint == "correct it, or its timeout, and deploy again"
    assert in_memory.writes == [] and in_memory.records == [] and bench.registry.tags == {}
    assert not bench.registry.blobs, "nothing is uploaded while it runs, either"
    assert Log("", "hook before", "too dear") in bench.events
    assert "ended with 3" in told(bench, "f")["verdict"]["summary"]


def test_a_failing_before_hook_of_a_target_leaves_the_target_as_it_was(bench: Bench) -> None:
    in_memory = bench.add("one", hooks={"before": "exit 1"}, on_failure="rollback")
    other = bench.add("two")
    assert deploy(bench.run()) == 1
    assert bench.verdicts() == {"one": "failed", "two": "healthy"}
    assert in_memory.writes == [] and in_memory.records == [] and other.writes
    [failed] = [event for event in bench.events if isinstance(event, TargetFinished) and event.target == "one"]
    assert failed.reason == "the hook before: exit 1 ended with 1; nothing of one was changed"
    assert not failed.is_rolled_back


@pytest.mark.parametrize("command", [["no-such-program-4711"], "no-such-program-4711 --now"])
def test_a_hook_whose_program_is_missing_says_so_in_its_hint(bench: Bench, command: object) -> None:
    hooked(bench, before=command)
    bench.add("one")
    with pytest.raises(DeployFailed) as caught:
        deploy(bench.run())
    assert caught.value.hint == "a program was not found: install it, or correct the command, and deploy again"


def test_an_after_hook_whose_program_is_missing_says_so(bench: Bench) -> None:
    hooked(bench, after=["no-such-program-4711"])
    bench.add("one")
    assert deploy(bench.run()) == 1
    assert any(
        "; a program was not found: install it, or correct the command; the next deploy runs it only" in line
        for line in warnings(bench)
    )


def test_a_failing_after_hook_is_a_failed_run_of_healthy_targets(bench: Bench) -> None:
    hooked(bench, after=["false"], on_failure=KEEP.format("f", "f"))
    in_memory = bench.add("one")
    bench.text += "rollback: all\n"
    assert deploy(bench.run()) == 1
    assert bench.verdicts() == {"one": "healthy"} and in_memory.writes == ["set"]
    assert finished(bench).summary == "1 of 1 targets healthy, but the hook after: false ended with 1"
    assert any(
        "the hook after: false ended with 1; the next deploy runs it only if" in line for line in warnings(bench)
    )
    assert finished(bench).exit_code == 1 and told(bench, "f")["verdict"]["exit_code"] == 1


def test_a_failing_after_hook_of_a_target_rolls_nothing_back(bench: Bench) -> None:
    bench.text += "rollback: all\n"
    in_memory = bench.add("one", hooks={"after": "exit 1"})
    other = bench.add("two", needs=[])
    assert deploy(bench.run()) == 1
    [failed] = [event for event in bench.events if isinstance(event, TargetFinished) and event.target == "one"]
    assert failed.reason == "it was healthy, but the hook after: exit 1 ended with 1" and not failed.is_rolled_back
    assert in_memory.writes == ["set"] and other.writes == ["set"]
    assert in_memory.records[-1]["past"]["state"] == "healthy"


def test_a_target_whose_after_hook_failed_has_a_release_that_is_healthy(bench: Bench) -> None:
    in_memory = bench.add("one", hooks={"after": "exit 1", "on_failure": KEEP.format("f", "f")})
    assert deploy(bench.run()) == 1
    [failed] = [event for event in bench.events if isinstance(event, TargetFinished)]
    assert (failed.state, failed.release_state) == ("failed", "healthy")
    [end] = finished(bench).ends
    assert (end.state, end.release_state) == ("failed", "healthy")
    past = in_memory.records[-1]["past"]
    assert (past["state"], past["run_state"], past["reason"]) == ("healthy", "failed", failed.reason)
    [target] = told(bench, "f")["verdict"]["targets"]
    assert target["release_state"] == "healthy"


def test_a_rollback_whose_after_hook_failed_has_returned_and_is_not_asked_for_again(bench: Bench) -> None:
    place = bench.add("one")
    images = []
    for text in ("first", "second", "third"):
        (bench.folder / "hello.txt").write_text(text)
        assert deploy(bench.run()) == 0
        images.append(place.images["app"])
    bench.add("one", hooks={"after": "exit 1"})
    assert rollback(bench.run()) == 1
    [failed] = [event for event in bench.events if isinstance(event, TargetFinished)]
    assert failed.release_state == "healthy" and failed.rolled_back_to
    assert place.images["app"] == images[1] and finished(bench).next == "", "the next rollback goes further back"
    past = place.records[-1]["past"]
    assert (past["state"], past["run_state"]) == ("healthy", "failed")
    bench.add("one")
    assert rollback(bench.run()) == 0
    assert place.images["app"] == images[0]


def test_on_failure_hooks_of_what_is_taken_back_run_after_that(bench: Bench) -> None:
    bench.text += "rollback: all\n"
    for name in ("healthy", "hooked", "top"):
        bench.add(name)
    assert deploy(bench.run()) == 0
    (bench.folder / "hello.txt").write_text("changed\n")
    keep = {name: KEEP.format(name, name) for name in ("healthy", "hooked", "top")}
    bench.add("healthy", hooks={"on_failure": keep["healthy"]})
    bench.add("hooked", hooks={"after": "exit 1", "on_failure": keep["hooked"]})
    bench.add("top", hooks={"before": "sleep 1; exit 1", "on_failure": keep["top"]})
    assert deploy(bench.run()) == 1
    assert sorted(order(bench)) == ["healthy", "hooked", "top"] and order(bench)[0] == "top"
    for name in ("healthy", "hooked"):
        [target] = told(bench, name)["verdict"]["targets"]
        assert (target["state"], target["is_rolled_back"], target["release_state"]) == ("failed", True, "")
        assert "taken back because top failed" in target["verdict"]["reason"]


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_an_on_failure_hook_runs_once_where_nothing_is_taken_back(bench: Bench, on_failure: str) -> None:
    bench.text += "rollback: all\n"
    own = {"after": "exit 1", "on_failure": KEEP.format("one", "one")}
    bench.add("one", hooks=own, on_failure=on_failure)
    bench.add("two", hooks={"on_failure": "echo never >> order"})
    assert deploy(bench.run()) == 1
    assert order(bench) == ["one"]
    [target] = told(bench, "one")["verdict"]["targets"]
    assert (target["is_rolled_back"], target["release_state"]) == (False, "healthy")


def test_on_failure_hooks_run_after_the_rollback_and_their_failure_is_a_warning(bench: Bench) -> None:
    bench.add("one")
    assert deploy(bench.run()) == 0
    (bench.folder / "hello.txt").write_text("changed\n")
    bench.worlds["one"].fails = "judge"
    hooked(bench, on_failure="exit 7", after="echo never >> order")
    bench.add("one", hooks={"on_failure": KEEP.format("tf", "tf")}, on_failure="rollback")
    assert deploy(bench.run()) == 1
    [target] = told(bench, "tf")["verdict"]["targets"]
    assert target["state"] == "failed" and "it broke; " in target["verdict"]["reason"]
    assert order(bench) == ["tf"]
    assert [line for line in warnings(bench) if "hook on_failure: exit 7 ended with 7" in line]


def test_secrets_are_in_no_output_and_in_no_json_of_a_hook(bench: Bench) -> None:
    bench.text += "secrets: {TOKEN: {env: TOKEN}}\n"
    hooked(bench, before="cat > b.json; echo one $TOKEN; printf 'two %s' \"$TOKEN\" >&2")
    bench.add("one")
    assert deploy(bench.run(TOKEN="canary-4711")) == 0
    lines = [event.line for event in bench.events if isinstance(event, Log) and event.source == "hook before"]
    assert [line.split()[0] for line in lines] == ["one", "two"]
    assert "canary" not in repr(bench.events) and "canary" not in (bench.folder / "b.json").read_text()


def test_a_hook_ends_at_its_time_limit(tmp_path: Path) -> None:
    events: list[Event] = []
    with EmbeddedRegistry() as registry:
        text = (
            f"app: app\nimage: {registry.host}/app\ntargets: {{hub: {{settle: 0s}}}}\n"
            "hooks: {before: {command: 'touch begun; exec sleep 600', timeout: 30s}}\n"
        )
        process_environment = runs.environment(tmp_path)
        loaded = runs.project(tmp_path, text, process_environment)
        clock = runs.EventClock((tmp_path / "begun").exists)
        with (
            runs.run(loaded, process_environment, events, clock=clock) as run,
            pytest.raises(ShipitError, match=r"did not end within 30 s; nothing was changed"),
        ):
            deploy(run)


def test_a_request_carries_the_json_and_its_secret_headers(bench: Bench, serve: Start) -> None:
    server = serve([answer()], [answer()])
    headers = {"x-token": {"env": "HOOK_TOKEN"}, "X-App": "${app}"}
    hooked(bench, before={"url": f"{server.url}/deploys", "headers": headers}, after={"url": {"env": "CHAT"}})
    bench.add("one")
    assert deploy(bench.run(HOOK_TOKEN="canary-4711", CHAT=f"{server.url}/secret-path")) == 0
    first, second = server.heads
    assert first.startswith(b"POST /deploys HTTP/1.1") and second.startswith(b"POST /secret-path ")
    assert b"x-token: canary-4711" in first and b"X-App: app" in first and b"application/json" in first
    assert json.loads(server.bodies[0])["plan"]["app"] == "app"
    assert json.loads(server.bodies[1])["verdict"]["exit_code"] == 0
    assert "canary" not in repr(bench.events) and "secret-path" not in repr(bench.events)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (answer(b"no", "500 Internal Server Error"), "answered 500, not 2xx"),
        (answer(b"", "307 Temporary Redirect", "Location: http://127.0.0.1:1/"), "answered 307, not 2xx"),
        (b"nonsense\r\n\r\n", "failed: "),
    ],
)
def test_a_request_is_sent_once_and_follows_no_redirect(bench: Bench, serve: Start, said: bytes, problem: str) -> None:
    server = serve([said], [answer()])
    hooked(bench, before={"url": f"{server.url}/x"})
    bench.add("one")
    with pytest.raises(ShipitError, match=problem):
        deploy(bench.run())
    assert server.connections == 1


def test_a_request_ends_at_its_time_limit(tmp_path: Path, serve: Start) -> None:
    server, events = serve([deaf]), list[Event]()
    with EmbeddedRegistry() as registry:
        text = (
            f"app: app\nimage: {registry.host}/app\ntargets: {{hub: {{settle: 0s}}}}\n"
            f"hooks: {{before: {{url: '{server.url}', timeout: 30s}}}}\n"
        )
        process_environment = runs.environment(tmp_path)
        loaded = runs.project(tmp_path, text, process_environment)
        clock = runs.EventClock(lambda: server.heads)
        with (
            runs.run(loaded, process_environment, events, clock=clock) as run,
            pytest.raises(ShipitError, match="gave no answer within 30 s"),
        ):
            deploy(run)


def test_a_secret_that_is_not_there_stops_before_anything(bench: Bench) -> None:
    hooked(bench, on_failure={"url": "http://127.0.0.1:1/", "headers": {"X-Token": {"env": "NOT_SET"}}})
    bench.add("one")
    with pytest.raises(ConfigErrors, match=r"hooks.on_failure\[0\].X-Token: the variable NOT_SET is not set"):
        deploy(bench.run())
    assert not bench.of(PlanMade)


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "caf\u00e9", "http//"])
def test_a_secret_that_can_not_be_sent_is_an_error_without_its_value(bench: Bench, value: str) -> None:
    hooked(bench, after={"url": {"env": "CHAT"}, "headers": {"X-Token": {"env": "CHAT"}}})
    bench.add("one")
    with pytest.raises(UsageError) as caught:
        deploy(bench.run(CHAT=value))
    assert value not in str(caught.value)


def test_killed_between_a_hook_and_the_steps_the_next_deploy_runs_both(bench: Bench) -> None:
    hooked(bench, before="echo before >> order", after="echo after >> order")
    in_memory = bench.add("one")
    run = bench.run()

    def kill(event: Event) -> None:
        if isinstance(event, StepDone) and event.step.action == "hook":
            run.clock.cancel.set()

    runs.react(run, kill)
    with pytest.raises(Interrupted):
        deploy(run)
    run.close()
    assert (order(bench), in_memory.writes) == (["before"], [])
    bench.clock.cancel.clear()
    assert deploy(bench.run()) == 0
    assert (order(bench), in_memory.writes) == (["before", "before", "after"], ["set"])


def test_an_interrupted_hook_is_ended_and_runs_no_other(bench: Bench) -> None:
    hooked(bench, before="echo begun; exec sleep 600", on_failure="echo never >> order")
    bench.add("one")
    run = bench.run()
    runs.react(run, lambda event: run.clock.cancel.set() if isinstance(event, Log) else None)
    with pytest.raises(Interrupted):
        deploy(run)
    assert order(bench) == []


def test_a_target_is_recorded_as_healthy_before_its_after_hook(bench: Bench) -> None:
    in_memory = bench.add("one", hooks={"after": "echo begun; exec sleep 600"})
    run = bench.run()
    runs.react(
        run, lambda event: run.clock.cancel.set() if isinstance(event, Log) and event.source == "hook after" else None
    )
    with pytest.raises(Interrupted):
        deploy(run)
    assert in_memory.records[-1]["past"]["state"] == "healthy"


def written(in_process: InProcess, registry: EmbeddedRegistry, text: str) -> None:
    in_process.write(
        Dockerfile='FROM scratch\nCOPY hello.txt /\nCMD ["x"]\n',
        hello__txt="hello\n",
        deploy__yml=f"app: shop\nimage: {registry.host}/shop\ntargets: {{hub: {{settle: 0s}}}}\n{text}",
    )


def test_untrusted_files_run_no_hook(in_process: InProcess, registry: EmbeddedRegistry) -> None:
    written(in_process, registry, "hooks: {before: touch ran}\n")
    done = in_process.run("deploy", "--untrusted")
    assert done.returncode == 2
    assert "deploy.yml has hooks, and none is run with --untrusted" in done.stderr
    assert "hint: remove hooks: from deploy.yml" in done.stderr
    assert not (in_process.folder / "ran").exists() and registry.tags == {}


def test_a_deploy_shows_the_output_of_its_hooks_and_history_knows_a_failed_one(
    in_process: InProcess, registry: EmbeddedRegistry
) -> None:
    written(in_process, registry, "hooks: {before: 'echo hello from ${app}', after: exit 4}\n")
    done = in_process.run("deploy")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "hook before | hello from shop" in done.stderr
    assert "failed: 1 of 1 targets healthy, but the hook after: exit 4 ended with 4" in done.stdout
    assert "run it by hand" in done.stderr
    assert in_process.run("deploy").returncode == 0, "nothing changed, so that no hook runs"
    assert "failed" in in_process.run("history").stdout


def test_a_push_whose_after_hook_fails_has_failed(in_process: InProcess, registry: EmbeddedRegistry) -> None:
    written(in_process, registry, "hooks: {after: {command: exit 4, on: [push]}}\n")
    done = in_process.run("push")
    assert done.returncode == 1 and registry.tags, done.stdout + done.stderr
    assert "everything is pushed, but the hook after: exit 4 ended with 4" in done.stdout + done.stderr
    refused = in_process.run("push", "--untrusted")
    assert refused.returncode == 2 and "deploy.yml has hooks" in refused.stderr
    assert in_process.run("deploy", "--untrusted").returncode == 0, "a deploy would run none"


def test_resolved_hooks_are_a_valid_file_again(in_process: InProcess, registry: EmbeddedRegistry) -> None:
    hooks = "{before: 'echo ${HOME} $${x}', after: [{url: 'https://x/', headers: {A: {env: B}}}, {command: [a, '1'], on: [scale]}]}"
    written(in_process, registry, f"hooks: {hooks}\n")
    shown = in_process.run("validate", "--resolved")
    assert shown.returncode == 0, shown.stderr
    in_process.write(deploy__yml=shown.stdout)
    again = in_process.run("validate", "--resolved")
    assert (again.returncode, again.stdout) == (0, shown.stdout), again.stderr
