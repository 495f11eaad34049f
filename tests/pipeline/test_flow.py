"""The flow, on places in memory: what happens in which order, and how it ends."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

import pytest

from shipit.config.model import TargetConfig
from shipit.errors import Interrupted, ShipitError, UsageError
from shipit.events import Event, Log, PlanMade, RunFinished, Serving, StepDone, StepStarted, TargetFinished, Waiting
from shipit.parallel import settle
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.graph import run_order, select_targets
from shipit.redact import Redactor
from shipit.release import Plan
from shipit.report.plan_text import render_plan
from tests import runs
from tests.pipeline.bench import Bench


def test_a_deploy_tells_its_story_in_order(bench: Bench) -> None:
    bench.add("one")
    assert deploy(bench.run()) == 0
    names = [type(event).__name__ for event in bench.events if type(event).__name__ != "StepProgress"]
    assert names == [
        "RunStarted", "StepStarted", "StepDone", "PlanMade", "StepStarted", "Transferred", "StepDone",
        "StepStarted", "Log", "StepDone", "TargetFinished", "RunFinished",
    ]  # fmt: skip
    assert bench.verdicts() == {"one": "healthy"}
    assert deploy(bench.run()) == 0
    assert bench.verdicts() == {"one": "unchanged"}


def test_the_plan_reads_well(bench: Bench) -> None:
    bench.add("one")
    plan(bench.run())
    [made] = bench.of(PlanMade)
    assert isinstance(made, PlanMade)
    text = re.sub(r"\d+ B,", "N B,", render_plan(made.plan).replace(bench.registry.host, "HOST"))
    image, manifest = text.split("image  app  ")[1][:12], text.split("/app@")[1][:12]
    assert text == (
        "app -> production\n\n"
        f"image  app  {image}  native: no RUN\n\n"
        "one  place of one\n"
        f"  + push HOST/app@{manifest}  1 layer, N B, tag latest\n"
        "  ~ set app\n"
        f"      app  none -> {image}\n\n"
        "2 changes"
    )
    assert made.changes == 2


def test_targets_wait_for_what_they_need(bench: Bench) -> None:
    bench.add("last", needs=["first"])
    bench.add("first").starting = 3
    assert deploy(bench.run()) == 0
    order = [event.target for event in bench.events if isinstance(event, TargetFinished)]
    assert order == ["first", "last"]
    started = next(
        i for i, event in enumerate(bench.events) if isinstance(event, StepStarted) and event.step.target == "last"
    )
    finished = next(i for i, event in enumerate(bench.events) if isinstance(event, TargetFinished))
    assert started > finished


def test_what_needs_a_failed_target_is_skipped_and_tags_stay(bench: Bench) -> None:
    bench.add("base")
    assert deploy(bench.run()) == 0
    before = dict(bench.registry.tags)
    (bench.folder / "hello.txt").write_text("changed\n")
    bench.worlds["base"].fails = "judge"
    after = bench.add("after", needs=["base"])
    assert deploy(bench.run()) == 1
    assert bench.verdicts() == {"base": "failed", "after": "skipped"}
    assert after.writes == []
    assert bench.registry.tags == before, "a tag never names what failed"
    failed = next(event for event in bench.events if isinstance(event, TargetFinished) and event.state == "failed")
    assert (failed.reason, failed.detail) == ("it broke", ("last words",))


def test_moving_tags_move_when_all_is_well(bench: Bench) -> None:
    bench.add("one")
    deploy(bench.run())
    before = dict(bench.registry.tags)
    (bench.folder / "hello.txt").write_text("changed\n")
    assert deploy(bench.run()) == 0
    assert bench.registry.tags.keys() == before.keys() and bench.registry.tags != before
    last = [event for event in bench.events if isinstance(event, StepDone)][-1]
    assert last.summary.startswith("move ")


def test_waiting_ends_at_the_deadline(bench: Bench) -> None:
    bench.add("slow", timeout="10s").starting = 1000
    assert deploy(bench.run()) == 1
    [finished] = bench.of(TargetFinished)
    assert isinstance(finished, TargetFinished)
    assert finished.reason.endswith("looks to go at the deadline")
    assert bench.of(Waiting)
    assert 10 <= finished.elapsed_s < 15


def test_healthy_has_to_last(bench: Bench) -> None:
    bench.add("one", settle="5s")
    assert deploy(bench.run()) == 0
    [finished] = bench.of(TargetFinished)
    assert isinstance(finished, TargetFinished) and 5 <= finished.elapsed_s < 5.5, (
        "no look comes later than it needs to"
    )


def test_a_place_out_of_reach_stops_before_anything_is_written(bench: Bench) -> None:
    bench.add("one").fails = "observe"
    other = bench.add("other")
    with pytest.raises(ShipitError, match="out of reach"):
        deploy(bench.run())
    assert other.writes == [] and bench.registry.tags == {}


def test_a_step_that_breaks_is_one_failed_target(bench: Bench) -> None:
    bench.add("bad").fails = "apply"
    bench.add("good")
    assert deploy(bench.run()) == 1
    assert bench.verdicts() == {"bad": "failed", "good": "healthy"}
    [finished] = bench.of(RunFinished)
    assert isinstance(finished, RunFinished) and (finished.exit_code, finished.summary) == (1, "1 of 2 targets failed")


def test_a_protected_target_is_asked_about(bench: Bench) -> None:
    in_memory = bench.add("one", protected=True)
    run = bench.run()
    asked: list[str] = []

    def refuse(plan: Plan, reasons: Sequence[str]) -> bool:
        asked.extend(reasons)
        return False

    run.confirm = refuse
    with pytest.raises(UsageError, match="not confirmed: one is protected"):
        deploy(run)
    assert asked == ["one is protected"] and in_memory.writes == []


def test_secrets_reach_the_place_and_nothing_else(bench: Bench) -> None:
    bench.text += "secrets: {TOKEN: {env: TOKEN}}\n"
    in_memory = bench.add("one")
    assert deploy(bench.run(TOKEN="canary-4711")) == 0
    assert in_memory.marks["TOKEN"] == "canary-4711"
    assert "canary" not in repr(bench.events)


def test_a_cancelled_run_is_interrupted(bench: Bench) -> None:
    bench.add("slow").starting = 10**9
    run = bench.run()
    bench.configs["slow"] = TargetConfig(timeout="24h", settle="0s")

    def cancel(event: Event) -> None:
        if isinstance(event, Log):
            run.clock.cancel.set()

    runs.react(run, cancel)
    with pytest.raises(Interrupted) as caught:
        deploy(run)
    assert caught.value.exit_code == 130


def test_calls_that_hang_do_not_hold_up_a_cancelled_run() -> None:
    clock, hanging = runs.FakeClock(), threading.Event()
    clock.cancel.set()
    with pytest.raises(Interrupted):
        settle({"hangs": hanging.wait}, clock)
    hanging.set()


def test_order_and_selection() -> None:
    assert run_order({"c": ["b"], "b": ["a", "elsewhere"], "a": []}) == ("a", "b", "c")
    assert select_targets(["b"], {"a": 1, "b": 2}) == ("b",)
    with pytest.raises(UsageError) as caught:
        select_targets(["herku"], {"heroku": 1})
    assert caught.value.render() == "there is no target 'herku'\nhint: did you mean heroku?"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a canary-1 b", "a [redacted] b"), ("Y2FuYXJ5LTE=", "[redacted]"), ("x%2Fy%20z", "[redacted]"), ("abc", "abc")],
)
def test_redaction(text: str, shown: str) -> None:
    redactor = Redactor(["canary-1", "x/y z", "abc"])
    assert redactor.text(text) == shown
    assert redactor.value(Log("t", "s", text)) == Log("t", "s", shown)


def test_a_target_that_fails_is_rolled_back_where_it_says_so(bench: Bench) -> None:
    in_memory = bench.add("one", on_failure="rollback")
    bench.add("two", needs=["one"])
    assert deploy(bench.run()) == 0
    before = dict(in_memory.images)
    (bench.folder / "hello.txt").write_text("changed\n")
    in_memory.fails = "judge"
    assert deploy(bench.run()) == 1, "rolled back is failed"
    assert in_memory.images == before and in_memory.writes == ["set", "set", "set back"]
    assert bench.verdicts() == {"one": "failed", "two": "skipped"}
    [failed] = [
        event for event in bench.of(TargetFinished) if isinstance(event, TargetFinished) and event.state == "failed"
    ]
    back = f"{failed.rolled_back_to} (2023-11-14 22:30 UTC, healthy)"
    assert failed.reason == f"it broke; rolled back to what ran before (runs what it ran): {back}"
    assert failed.is_rolled_back


def test_what_was_not_changed_is_not_rolled_back(bench: Bench) -> None:
    in_memory = bench.add("one", on_failure="rollback")
    in_memory.fails = "apply"
    assert deploy(bench.run()) == 1
    [failed] = bench.of(TargetFinished)
    assert isinstance(failed, TargetFinished)
    assert failed.reason.endswith("; nothing to roll back: what ran before still runs") and in_memory.writes == []
    assert failed.is_rolled_back, "what ran before runs"


def test_the_last_event_says_where_healthy_targets_can_be_visited(bench: Bench) -> None:
    bench.add("one").url = "https://one.example.com/"
    bench.add("two")
    broken = bench.add("three")
    broken.url, broken.fails = "https://three.example.com/", "judge"
    assert deploy(bench.run()) == 1
    [finished] = bench.of(RunFinished)
    assert isinstance(finished, RunFinished)
    assert finished.urls == (Serving("one", "https://one.example.com/"),)
    broken.fails = ""
    assert deploy(bench.run()) == 0
    [finished] = bench.of(RunFinished)
    assert isinstance(finished, RunFinished)
    assert [serving.target for serving in finished.urls] == ["one", "three"]
