"""Which targets a rollback leaves as they are after deploys that did not succeed."""

from __future__ import annotations

import pytest

from shipit.past_release import PastRelease
from shipit.past_run import PastRun, PastTarget
from shipit.pipeline.untouched import untouched
from shipit.release import Place

PLACES = {
    "heroku": Place("heroku", "app shop"),
    "hub": Place("registry", "a hub"),
    "k8s": Place("kubernetes", "a cluster"),
}
BEFORE, FIRST, START, DURING, LATER = (f"2026-01-31T12:0{minute}:00Z" for minute in (0, 1, 2, 3, 9))


def past(version: str, at: str, run: str = "", *, is_current: bool = False) -> PastRelease:
    return PastRelease(version, released_at=at, run=run, is_current=is_current)


def deploy(run: str, at: str = START, **states: str) -> PastRun:
    """A deploy that failed, with the states of its targets."""
    targets = tuple(PastTarget(name, PLACES[name].identity, state) for name, state in states.items())
    return PastRun(run, "deploy", "shop", "production", at, "failed", at, targets=targets)


OLD = (past("v2", BEFORE, "4b"), past("v1", BEFORE, "3a"))
FAILED = deploy("6d", heroku="failed", hub="healthy")
HISTORIES = {"heroku": OLD, "hub": OLD, "k8s": (past("3", DURING, "6d"), *OLD)}
VERIFIED = deploy("7e", LATER, hub="unchanged", k8s="left")._replace(state="done")
SAID = {"hub": "the run 6d, which failed, did not change it"}


@pytest.mark.parametrize(
    ("runs", "found"),
    [
        ([FAILED], SAID),
        ([FAILED._replace(command="scale", state="done"), FAILED], SAID),
        ([FAILED._replace(state="interrupted")], {"hub": "the run 6d, which was stopped, did not change it"}),
        ([FAILED._replace(state="done"), FAILED], {}),
        ([VERIFIED, FAILED], SAID),
        ([FAILED._replace(command="rollback"), FAILED], {}),
        ([FAILED._replace(targets=FAILED.targets[1:])], {"heroku": SAID["hub"], **SAID}),
        ([], {}),
    ],
    ids=[
        "failed",
        "scaled since",
        "stopped",
        "succeeded since",
        "verified since",
        "rolled back since",
        "without a target",
        "no runs",
    ],
)
def test_what_a_failed_deploy_did_not_change_is_left_as_it_is(runs: list[PastRun], found: dict[str, str]) -> None:
    assert untouched(runs, HISTORIES, PLACES) == found


def test_a_target_whose_release_command_failed_runs_what_it_ran_before() -> None:
    heroku = (past("v3", DURING, "6d"), past("v2", BEFORE, "5c", is_current=True))
    found = untouched([FAILED], {**HISTORIES, "heroku": heroku}, PLACES)
    assert found == {**SAID, "heroku": "it still has the release of the run 5c"}


def test_nothing_is_left_after_a_run_that_changed_nothing() -> None:
    assert untouched([deploy("6d", hub="healthy")], {"heroku": OLD, "hub": OLD}, PLACES) == {}


def test_a_target_that_an_earlier_failed_deploy_changed_goes_back_with_the_others() -> None:
    """Good, bad, bad: the cluster got the first bad one, and nothing from the second."""
    runs = [
        deploy("6d", heroku="failed", hub="skipped", k8s="unchanged"),
        deploy("5c", FIRST, heroku="failed", k8s="healthy"),
    ]
    histories = {"heroku": OLD, "hub": OLD, "k8s": (past("3", FIRST, "5c", is_current=True), *OLD)}
    assert untouched(runs, histories, PLACES) == {"hub": "the last 2 runs, none of which succeeded, did not change it"}
    done = [runs[0], runs[1]._replace(state="done")]
    assert set(untouched(done, histories, PLACES)) == {"hub", "k8s"}


def test_a_target_that_was_rolled_back_by_its_deploy_goes_no_further_back() -> None:
    heroku = PastTarget("heroku", PLACES["heroku"].identity, "failed", is_rolled_back=True)
    found = untouched([FAILED._replace(targets=(heroku,))], HISTORIES, PLACES)
    assert found == {"heroku": "the run 6d rolled it back", **SAID}


@pytest.mark.parametrize(("run", "found"), [("7e", {}), ("", SAID), ("4b", SAID)], ids=["unknown", "none", "known"])
def test_nothing_is_left_after_a_later_deploy_of_another_machine(run: str, found: dict[str, str]) -> None:
    hub = (past("v3", LATER, run), *OLD)
    runs = [FAILED, deploy("4b", BEFORE, heroku="healthy")._replace(state="done")]
    assert untouched(runs, {**HISTORIES, "hub": hub}, PLACES) == found
