"""The last rollback of a target, where it failed or has no end, from the runs that are known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shipit.past_release import PastRelease
from shipit.past_run import RELEASING, PastRun, PastTarget, time_of
from shipit.release import Place

_FAILED = "failed"
# The states of a run that ended without success, and the commands that change what runs.
NOT_DONE = ("failed", "interrupted", "lost")
CHANGING = (*RELEASING, "destroy")


class LeftRollback(NamedTuple):
    """`version` is what it was to return to, and `how` how it ended. `later` are versions that others have released since.

    `is_verified` is whether this target had returned, and its run went on with others.
    """

    run: str
    version: str
    how: str
    later: tuple[str, ...] = ()
    is_verified: bool = False


def left_rollbacks(
    runs: Sequence[PastRun], histories: Mapping[str, Sequence[PastRelease]], places: Mapping[str, Place]
) -> Mapping[str, LeftRollback | None]:
    """Target -> the rollback to complete. What had returned before another target failed is one only together with that target."""
    found = {name: left_rollback(runs, histories[name], place) for name, place in places.items()}
    goes_on = {_open_run(runs, histories[name], place) for name, place in places.items()}
    return {
        name: left if left and (left.run in goes_on or left.how != _FAILED) else None for name, left in found.items()
    }


def _open_run(runs: Iterable[PastRun], history: Sequence[PastRelease], place: Place) -> str:
    """The run of the rollback that is still to be completed at a place, also where the place tells of it; empty for none."""
    run, own = _last(runs, place)
    if run is None or own is None or run.command != "rollback" or own.is_verified:
        return ""
    is_newest = bool(history) and history[0].run == run.run
    return run.run if is_newest or left_rollback([run], history, place) else ""


def left_rollback(runs: Iterable[PastRun], history: Sequence[PastRelease], place: Place) -> LeftRollback | None:
    """The newest run that released something at a place, where that is a rollback that did not succeed; None for any other.

    `runs` and `history` are newest first. None as well where the place itself tells of that run, unless this target had
    returned then, or of a later one.
    """
    run, own = _last(runs, place)
    if run is None or own is None or run.command != "rollback" or not own.returns_to:
        return None
    return _left(run, own, history) if not own.is_verified or run.state in NOT_DONE else None


def _last(runs: Iterable[PastRun], place: Place) -> tuple[PastRun | None, PastTarget | None]:
    """The newest run that released something at a place, and what it did there."""
    for run in runs:
        own = next((target for target in run.targets if target.place == place.identity), None)
        if own and own.state != "skipped" and run.command in CHANGING:
            return run, own
    return None, None


def _left(run: PastRun, own: PastTarget, history: Sequence[PastRelease]) -> LeftRollback | None:
    is_verified = own.is_verified
    if not is_verified and any(past.run == run.run for past in history):
        return None
    since = [past for past in history if past.run != run.run and time_of(past.released_at) > time_of(run.started_at)]
    if any(past.run for past in since):
        return None
    later = [past for past in since if _is_of_others(past, run, own)]
    has_failed = own.state == "failed" or (is_verified and run.state == "failed")
    how = _FAILED if has_failed else "was stopped" if run.ended_at else "has no end"
    return LeftRollback(run.run, own.returns_to, how, tuple(past.version for past in later), is_verified)


def _is_of_others(past: PastRelease, run: PastRun, own: PastTarget) -> bool:
    """True for a return to another release, and for a release after the end of the run."""
    if past.returns_to not in ("", own.returns_to):
        return True
    return run.ended_before(past.released_at)
