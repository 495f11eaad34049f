"""A run from its events."""

from __future__ import annotations

import pytest

from shipit.envelope import Sealer
from shipit.events import (
    Event,
    PlanMade,
    RunFailed,
    RunFinished,
    RunStarted,
    StepDone,
    StepFailed,
    StepId,
    StepStarted,
    TargetFinished,
    Warned,
)
from shipit.history.fold import fold_run
from shipit.past_run import PastRun, PastTarget
from shipit.release import Place, Plan, State, TargetPlan, Verdict

STARTED = RunStarted("deploy", "shop", "staging", ("hub", "k8s"), "c0ffee" * 6, "main", by="ada@x")
PLAN = PlanMade(
    Plan(
        "shop", "staging", targets=tuple(TargetPlan(name, Place(name, f"place of {name}")) for name in ("hub", "k8s"))
    ),
    3,
)
APPLY, PUSH = StepId("apply", "deployment/web", "k8s"), StepId("push", "example.com/shop@sha256:1")


def folded(*events: Event, is_running: bool = False) -> PastRun | None:
    seal = Sealer()
    return fold_run([seal(event, at_s) for at_s, event in enumerate(events)], is_running=is_running)


def test_a_run_that_ended() -> None:
    run = folded(
        Warned("", "a key is deprecated"),
        STARTED,
        PLAN,
        StepStarted(APPLY, "create Deployment web"),
        StepDone(APPLY, "create Deployment web", 0.1),
        TargetFinished("k8s", "failed", 2.0, Verdict(State.FAILED, "web crashed"), is_rolled_back=True),
        TargetFinished("hub", "healthy", 1.0, Verdict(State.HEALTHY, "")),
        RunFinished(1, "1 of 2 targets failed", 3.0),
    )
    assert run is not None
    assert run[1:] == (
        "deploy", "shop", "staging", "1970-01-01T00:00:01.000Z", "failed", "1970-01-01T00:00:07.000Z", 1,
        "c0ffee" * 6, "main", 3, "1 of 2 targets failed",
        (
            PastTarget("hub", "place of hub", "healthy", elapsed_s=1.0),
            PastTarget("k8s", "place of k8s", "failed", "web crashed", is_rolled_back=True, elapsed_s=2.0),
        ),
        (), "ada@x", "", (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (RunFinished(0, "all is well", 1.0), "done"),
        (RunFinished(1, "no", 1.0), "failed"),
        (RunFailed(2, "not confirmed"), "failed"),
        (RunFailed(130, "interrupted"), "interrupted"),
        (None, "lost"),
    ],
)
def test_how_a_run_ended(end: Event | None, state: str) -> None:
    run = folded(STARTED, *([end] if end else []))
    assert run is not None and run.state == state
    assert (run.ended_at == "") == (end is None)


def test_what_a_killed_run_left_are_the_changes_that_began_and_have_no_end() -> None:
    failed, tagged = StepId("apply", "configmap/a", "k8s"), StepId("tag", "example.com/shop@sha256:1")
    events: list[Event] = [
        STARTED,
        StepStarted(PUSH, "push shop"),
        StepStarted(failed, "create ConfigMap a"),
        StepFailed(failed, "create ConfigMap a", "refused", 0.1),
        StepStarted(tagged, "tag shop"),
        StepDone(tagged, "tagged shop", 0.1),
        StepStarted(APPLY, "create Deployment web"),
    ]
    killed, running = folded(*events), folded(*events, is_running=True)
    assert killed is not None and killed.begun == ("k8s: create Deployment web",)
    assert killed.done == ("tagged shop",), "what failed and what uploads an image is none of them"
    assert running is not None and (running.state, running.begun) == ("running", killed.begun)


def test_events_without_a_start_are_no_run() -> None:
    assert folded(RunFinished(0, "all is well", 1.0)) is None
    assert folded() is None


@pytest.mark.parametrize(
    ("ends", "returns_to"),
    [
        ((), "v3"),
        ((TargetFinished("hub", "failed", 1.0, Verdict(State.FAILED, "web crashed")),), "v3"),
        ((TargetFinished("hub", "failed", 1.0, Verdict(State.FAILED, "web runs another", superseded_by="ada")),), ""),
    ],
)
def test_a_rollback_tells_to_which_version_unless_somebody_else_released(
    ends: tuple[Event, ...], returns_to: str
) -> None:
    plan = Plan("shop", "staging", targets=(TargetPlan("hub", Place("hub", "place of hub"), returns_to="v3"),))
    run = folded(STARTED._replace(command="rollback"), PlanMade(plan, 1), *ends)
    assert run is not None and run.targets[0].returns_to == returns_to


def test_a_target_that_failed_after_it_was_verified_has_a_healthy_release() -> None:
    failed = TargetFinished("k8s", "failed", 2.0, Verdict(State.FAILED, "the hook after failed"), version="v3")
    run = folded(STARTED, PLAN, failed._replace(release_state="healthy"))
    assert run is not None
    assert [(own.version, own.state, own.release_state, own.is_verified) for own in run.targets] == [
        ("", "", "", False),
        ("v3", "failed", "healthy", True),
    ]
