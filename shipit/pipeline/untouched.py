"""The targets that deploys without success have not changed: a rollback leaves them as they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from shipit.past_release import PastRelease
from shipit.past_run import PastRun, time_of
from shipit.pipeline.left_rollback import CHANGING, NOT_DONE
from shipit.release import Place

_Histories = Mapping[str, Sequence[PastRelease]]


def untouched(runs: Sequence[PastRun], histories: _Histories, places: Mapping[str, Place]) -> Mapping[str, str]:
    """The targets that run what they ran before the newest deploys or promotions, none of which succeeded -> what to say.

    A rollback takes back these runs. Empty where they changed no target, and where a place tells of a later run that is not
    among `runs`. `runs` and `histories` are newest first.
    """
    tried = _without_success(runs, frozenset(place.identity for place in places.values()))
    if not tried or _has_later(tried[0], runs, histories):
        return {}
    found = {name: _why_untouched(tried, history, places[name]) for name, history in histories.items()}
    return {name: why for name, why in found.items() if why} if not all(found.values()) else {}


def _without_success(runs: Sequence[PastRun], identities: frozenset[str]) -> tuple[PastRun, ...]:
    """The deploys and promotions of some places since the last run there that did anything else, or succeeded."""
    own = (
        run
        for run in runs
        if run.command in CHANGING and any(past.place in identities for past in run.targets) and not _only_verified(run)
    )
    return tuple(takewhile(lambda run: run.command in ("deploy", "promote") and run.state in NOT_DONE, own))


def _only_verified(run: PastRun) -> bool:
    """True for a run that is kept for its verdict alone: it changed nothing."""
    return run.state == "done" and all(own.state in ("unchanged", "left") for own in run.targets)


def _has_later(run: PastRun, runs: Sequence[PastRun], histories: _Histories) -> bool:
    """True where a place has a release of a later run that is not known here, such as one of another machine."""
    known, began = {"", *(past.run for past in runs)}, time_of(run.started_at)
    return any(
        past.run not in known and time_of(past.released_at) > began
        for history in histories.values()
        for past in history
    )


def _why_untouched(tried: Sequence[PastRun], history: Sequence[PastRelease], place: Place) -> str:
    """Why a target runs what it ran before some runs; empty where it may run something else."""
    current = next((past for past in history if past.is_current), None)
    if current and current.run not in ("", *(run.run for run in tried)):
        return f"it still has the release of the run {current.run}"
    for run in tried:
        own = next((past for past in run.targets if past.place == place.identity), None)
        if own and own.is_rolled_back:
            return f"the run {run.run} rolled it back"
        # One that failed, or has no end, may have been changed before that.
        if (own and own.state in ("failed", "")) or any(past.run == run.run for past in history):
            return ""
    if len(tried) > 1:
        return f"the last {len(tried)} runs, none of which succeeded, did not change it"
    return (
        f"the run {tried[0].run}, which {'failed' if tried[0].state == 'failed' else 'was stopped'}, did not change it"
    )
