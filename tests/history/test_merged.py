"""What the runs of this machine add to the releases that a place tells of."""

from __future__ import annotations

import pytest

from shipit.history.merged import merged
from shipit.past_release import PastRelease
from shipit.past_run import PastRun, PastTarget
from shipit.release import Place

PLACE = Place("heroku", "shop-prod")


def run(name: str, hour: int, version: str, state: str = "healthy") -> PastRun:
    """A run of five minutes."""
    target = PastTarget("heroku", PLACE.identity, state, version=version)
    at = f"2026-01-01T{hour:02}"
    return PastRun(name, "deploy", "shop", "production", f"{at}:00:00Z", "done", f"{at}:05:00Z", targets=(target,))


def release(version: str, hour: int, state: str = "unknown", of: str = "") -> PastRelease:
    return PastRelease(version, state, of, released_at=f"2026-01-01T{hour:02}:01:00Z")  # type: ignore[arg-type]


def known(past: PastRelease, *runs: PastRun) -> tuple[str, str]:
    """The run and the state of a release; `runs` are newest first."""
    [found] = merged([past], runs, PLACE)
    return found.run, found.state


def test_a_release_is_of_the_run_that_released_its_version() -> None:
    assert known(release("v2", 1), run("b", 2, "v3"), run("a", 1, "v2")) == ("a", "healthy")
    assert known(release("v2", 1), run("b", 2, "v2", "unchanged"), run("a", 1, "v2", "failed")) == ("a", "healthy")


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([run("old", 1, "v2")], ("", "unknown")),
        ([run("new", 9, "v2", "failed"), run("old", 1, "v2")], ("new", "failed")),
        ([run("new", 10, "v2", "unchanged"), run("old", 1, "v2")], ("new", "healthy")),
    ],
    ids=["another machine", "a run of the new one", "one that changed nothing"],
)
def test_a_run_that_ended_before_a_release_is_of_an_earlier_place_of_that_name(
    runs: list[PastRun], expected: tuple[str, str]
) -> None:
    assert known(release("v2", 9), *runs) == expected


def test_times_that_are_none_exclude_no_run() -> None:
    odd = release("v2", 9)._replace(released_at="yesterday")
    assert known(odd, run("old", 1, "v2")) == ("old", "healthy")


def test_a_verdict_on_a_version_is_better_than_what_a_place_guesses() -> None:
    half = release("v2", 1, "begun")
    assert known(half, run("a", 1, "v2")) == ("a", "healthy")
    assert known(half, run("a", 1, "v3")) == ("a", "begun"), "a release within a run that ended with another one"


def test_a_verdict_that_the_place_did_not_take_is_that_of_its_run() -> None:
    begun = release("a", 1, "begun", of="a")
    assert known(begun, run("a", 1, "a")) == ("a", "healthy")
    assert known(begun, run("a", 1, "a", "failed")) == ("a", "begun")
    assert known(begun, run("b", 1, "b")) == ("a", "begun")


def test_a_failed_release_that_a_later_run_verified_is_healthy() -> None:
    failed = release("v2", 1, "failed", of="a")
    made = run("a", 1, "v2", "failed")
    assert known(failed, made) == ("a", "failed")
    assert known(failed, run("b", 2, "v2", "unchanged"), made) == ("a", "healthy")
    assert known(failed, run("b", 2, "v2", "failed"), made) == ("a", "failed")
    later = run("c", 3, "v2", "failed")
    assert known(failed, later, run("b", 2, "v2", "unchanged"), made) == ("a", "failed"), "the newest verdict counts"


def verified(made: PastRun) -> PastRun:
    """A run whose target failed after its release was verified."""
    [own] = made.targets
    return made._replace(targets=(own._replace(state="failed", reason="the hook failed", release_state="healthy"),))


def test_a_release_is_healthy_whose_target_failed_after_it_was_verified() -> None:
    made = verified(run("a", 1, "v2"))
    [past] = merged([release("v2", 1)], [made], PLACE)
    assert (past.run, past.state, past.run_state, past.reason) == ("a", "healthy", "failed", "the hook failed")
    crashed = run("b", 2, "v2", "failed")
    [own] = crashed.targets
    crashed = crashed._replace(targets=(own._replace(reason="web crashed"),))
    [past] = merged([release("v2", 1)], [crashed, made], PLACE)
    assert (past.run, past.state, past.run_state, past.reason) == ("a", "failed", "", "web crashed")


def test_a_rollback_whose_target_failed_after_it_was_verified_has_returned() -> None:
    made = verified(run("a", 1, "v5"))
    [own] = made.targets
    made = made._replace(command="rollback", targets=(own._replace(rolled_back_to="v2"),))
    [past] = merged([release("v5", 1)], [made], PLACE)
    assert (past.state, past.returns_to) == ("healthy", "v2")


def test_what_a_failed_run_came_to_stays_known_once_its_release_was_verified() -> None:
    failed = release("v2", 1, "failed", of="a")._replace(reason="web crashed")
    [past] = merged([failed], [run("b", 2, "v2", "unchanged"), run("a", 1, "v2", "failed")], PLACE)
    assert (past.state, past.run_state, past.reason) == ("healthy", "failed", "web crashed")
