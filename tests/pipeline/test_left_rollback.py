"""The choice of a release after a rollback that failed or has no end, and the choices of an automatic rollback."""

from __future__ import annotations

from datetime import datetime

import pytest

from shipit.errors import UsageError
from shipit.past_release import PastRelease
from shipit.past_run import PastRun, PastTarget, RunState, time_of
from shipit.pipeline.choose_release import choose_release, last_healthy
from shipit.pipeline.left_rollback import LeftRollback, left_rollback, left_rollbacks
from shipit.release import Place

PLACE = Place("heroku", "app shop")
BEFORE, START, DURING, END, SOON, LATER = (
    f"2026-01-31T12:{minute}:00Z" for minute in ("00", "01", "02", "03", "03", "09")
)


def run(
    command: str,
    state: str,
    *,
    to: str = "v1",
    ended: str = "",
    target: str = "app shop",
    at: str = START,
    is_done: bool = False,
) -> PastRun:
    own = PastTarget("heroku", target, state, returns_to=to if command == "rollback" else "")
    how: RunState = "done" if is_done else "lost"
    return PastRun(f"{command}-{at}", command, "shop", "production", at, how, ended, targets=(own,))


def past(version: str, at: str, **more: str) -> PastRelease:
    return PastRelease(version, released_at=at, **more)  # type: ignore[arg-type]


OLD = (past("v2", BEFORE), past("v1", BEFORE))
ROLLBACK = run("rollback", "")


@pytest.mark.parametrize(
    ("runs", "history", "found"),
    [
        ([ROLLBACK], OLD, LeftRollback(ROLLBACK.run, "v1", "has no end")),
        ([ROLLBACK], (past("v3", DURING), *OLD), LeftRollback(ROLLBACK.run, "v1", "has no end")),
        ([run("rollback", "failed", ended=END)], (past("v3", SOON), *OLD), LeftRollback(ROLLBACK.run, "v1", "failed")),
        ([run("rollback", "", ended=END)], OLD, LeftRollback(ROLLBACK.run, "v1", "was stopped")),
        ([run("rollback", "", ended=END)], (past("v3", LATER), *OLD), LeftRollback(ROLLBACK.run, "v1", "was stopped", ("v3",))),
        ([ROLLBACK], (past("v3", LATER, returns_to="v2"), *OLD), LeftRollback(ROLLBACK.run, "v1", "has no end", ("v3",))),
        ([run("scale", "healthy", at=LATER), ROLLBACK], OLD, LeftRollback(ROLLBACK.run, "v1", "has no end")),
        ([run("deploy", "skipped", at=LATER), ROLLBACK], OLD, LeftRollback(ROLLBACK.run, "v1", "has no end")),
        ([run("deploy", "healthy", at=LATER, target="app other"), ROLLBACK], OLD, LeftRollback(ROLLBACK.run, "v1", "has no end")),
        ([run("deploy", "failed", at=LATER), ROLLBACK], OLD, None),
        ([run("rollback", "healthy", is_done=True, ended=END)], OLD, None),
        ([run("rollback", "unchanged", at=LATER, is_done=True, ended=END), ROLLBACK], OLD, None),
        # This target had returned when its run was killed.
        ([run("rollback", "healthy")], (past("v3", DURING, run=ROLLBACK.run), *OLD), LeftRollback(ROLLBACK.run, "v1", "has no end", is_verified=True)),
        ([run("rollback", "healthy")], (past("v4", LATER, run="another"), past("v3", DURING, run=ROLLBACK.run), *OLD), None),
        ([run("rollback", "failed", to="")], OLD, None),
        # The place has a record of the run, or of a later one.
        ([ROLLBACK], (past("v3", START, run=ROLLBACK.run), *OLD), None),
        ([ROLLBACK], (past("v3", LATER, run="another"), *OLD), None),
        ([], OLD, None),
    ],
)  # fmt: skip
def test_the_last_rollback_of_a_place_is_left_until_it_is_verified(
    runs: list[PastRun], history: tuple[PastRelease, ...], found: LeftRollback | None
) -> None:
    assert left_rollback(runs, history, PLACE) == found


def test_what_has_returned_stays_where_it_is_until_the_rollback_of_the_others_is_completed() -> None:
    """The targets of one run that failed, or was stopped."""
    places = {"heroku": PLACE, "hub": Place("registry", "a hub")}
    for state, how, alone in (("failed", "failed", None), ("interrupted", "was stopped", "v5")):
        targets = (
            PastTarget("heroku", "app shop", "", returns_to="v1"),
            PastTarget("hub", "a hub", "healthy", returns_to="v5"),
        )
        runs = [PastRun("6d", "rollback", "shop", "production", START, state, END, targets=targets)]  # type: ignore[arg-type]
        found = left_rollbacks(runs, {"heroku": OLD, "hub": ()}, places)
        assert found["hub"] == LeftRollback("6d", "v5", how, is_verified=True) and found["heroku"]
        [left] = left_rollbacks(runs, {"hub": ()}, {"hub": places["hub"]}).values()
        assert (left and left.version) == alone, "one that failed on another target is over for this one"


def test_what_has_returned_stays_also_where_the_place_of_the_others_tells_of_the_rollback() -> None:
    """The record of the rollback is in the cluster itself."""
    places = {"k8s": Place("kubernetes", "a cluster"), "hub": Place("registry", "a hub")}
    targets = (
        PastTarget("k8s", "a cluster", "failed", returns_to="1"),
        PastTarget("hub", "a hub", "healthy", returns_to="v5"),
    )
    back = PastRun("6d", "rollback", "shop", "production", START, "failed", END, targets=targets)
    histories = {"k8s": (past("3", START, run="6d", returns_to="1"), *OLD), "hub": ()}
    found = left_rollbacks([back], histories, places)
    assert found == {"k8s": None, "hub": LeftRollback("6d", "v5", "failed", is_verified=True)}
    later = {**histories, "k8s": (past("4", LATER, run="7e"), *histories["k8s"])}
    assert left_rollbacks([back], later, places)["hub"] is None


def test_what_has_returned_is_not_held_by_the_rollback_of_another_run() -> None:
    places = {"heroku": PLACE, "hub": Place("registry", "a hub")}
    hub = PastTarget("hub", "a hub", "healthy", returns_to="v5")
    before = PastRun("5c", "rollback", "shop", "production", BEFORE, "failed", BEFORE, targets=(hub,))
    found = left_rollbacks([ROLLBACK, before], {"heroku": OLD, "hub": ()}, places)
    assert found["heroku"] and found["hub"] is None


def test_a_rollback_that_is_left_is_completed_unless_a_release_is_named() -> None:
    history = (past("v4", DURING, is_current="yes"), past("v3", BEFORE), *OLD)
    left = LeftRollback("6d", "v1", "failed")
    chosen = choose_release("heroku", history, left=left)
    assert (chosen.past.version, chosen.is_left) == ("v1", True)
    assert chosen.notes[-1] == "completes the rollback of the run 6d, which failed"
    named = choose_release("heroku", history, "v2", left=left)
    assert (named.past.version, named.is_left) == ("v2", False)
    with pytest.raises(UsageError, match="the rollback of heroku to v1 failed, and others have released v4 since"):
        choose_release("heroku", history, left=left._replace(later=("v4",)))
    with pytest.raises(UsageError, match="heroku has no release 'v0'"):
        choose_release("heroku", history, left=left._replace(version="v0"))


@pytest.mark.parametrize(
    ("earlier", "chosen"),
    [
        ([("unknown", ""), ("healthy", "")], 1),
        ([("unknown", ""), ("healthy", "deleted")], 0),
        ([("failed", ""), ("healthy", "deleted"), ("unknown", "")], 2),
        ([("failed", ""), ("unknown", "deleted"), ("healthy", "deleted")], 2),
        ([("failed", ""), ("unknown", "deleted")], None),
    ],
)
def test_an_automatic_rollback_takes_a_release_that_is_lost_only_where_no_other_is_left(
    earlier: list[tuple[str, str]], chosen: int | None
) -> None:
    history = [past(f"v{9 - at}", BEFORE, state=state, gone=gone) for at, (state, gone) in enumerate(earlier)]
    now = past("v10", START, state="failed")
    found = last_healthy([now, *history], now, takes_gone=True)
    assert found == (None if chosen is None else history[chosen])


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-01T00:00:00.250Z", datetime(2026, 1, 1)),
        ("20260101T000000Z", datetime(2026, 1, 1)),
        ("2026-01-01T00:00+01", datetime(2025, 12, 31, 23)),
        ("2026-01-01T00:00:00", datetime(2026, 1, 1)),
        ("0001-01-01T00:00:00+14:00", datetime.min),
        ("yesterday", datetime.min),
        ("", datetime.min),
    ],
)
def test_times_of_records_can_be_compared_whatever_they_are(text: str, at: datetime) -> None:
    assert time_of(text) == at


def test_a_rollback_that_ended_at_the_end_of_time_is_left_as_any_other() -> None:
    late = ROLLBACK._replace(ended_at="9999-12-31T23:59:59Z")
    assert left_rollback([late], (past("v3", LATER), *OLD), PLACE) is not None


def test_a_rollback_that_failed_after_it_was_verified_is_not_completed() -> None:
    failed = run("rollback", "failed", ended=END)
    [own] = failed.targets
    verified = failed._replace(state="failed", targets=(own._replace(release_state="healthy", version="v3"),))
    returned = past("v3", DURING, run=failed.run, state="healthy", returns_to="v1")
    found = {
        name: left_rollbacks([one], {"heroku": OLD}, {"heroku": PLACE})
        for name, one in (("", failed), ("hook", verified))
    }
    assert found[""]["heroku"] == LeftRollback(failed.run, "v1", "failed")
    assert found["hook"]["heroku"] is None
    assert left_rollbacks([verified], {"heroku": (returned, *OLD)}, {"heroku": PLACE})["heroku"] is None
