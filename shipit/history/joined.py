"""The runs of this machine and the releases that places tell, as one history. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shipit.past_release import PastRelease
from shipit.past_run import PastRun, PastTarget, RunState

_STATES: Mapping[str, RunState] = {"healthy": "done", "failed": "failed", "begun": "lost", "unknown": "unknown"}
# Of a run that several places know, the first of these counts.
_WORST: Sequence[RunState] = ("lost", "failed", "unknown", "done")


class PlaceHistory(NamedTuple):
    """The releases of one target, the newest first. `app` and `environment` are those of deploy.yml."""

    target: str
    place: str
    app: str
    environment: str
    releases: Sequence[PastRelease]


def joined(runs: Iterable[PastRun], places: Iterable[PlaceHistory]) -> tuple[PastRun, ...]:
    """Every run once, the newest first: one of this machine has what its journal says, and what runs now is marked.

    A release whose run is not known is a run without an id.
    """
    found = {run.run: run for run in runs}
    kept = frozenset(found)
    for place in places:
        for past in place.releases:
            own, key = _target_of(past, place), past.run or f"{place.target} {past.version}"
            run = found.get(key) or _run_of(past, place)
            if key not in kept:
                run = run._replace(state=min(run.state, _run_state(past), key=_WORST.index))
            found[key] = _with(run, own, past.by)
    return tuple(sorted(found.values(), key=lambda run: run.started_at, reverse=True))


def _target_of(past: PastRelease, place: PlaceHistory) -> PastTarget:
    """A target as its place tells of it."""
    is_back = past.state == "failed" and past.command != "rollback" and bool(past.returns_to)
    # Its run failed, and the release is healthy all the same.
    has_failed = past.state == "healthy" and past.run_state == "failed"
    return PastTarget(
        place.target,
        place.place,
        "failed" if has_failed else "" if past.state in ("unknown", "begun") else past.state,
        past.reason,
        past.images,
        is_rolled_back=is_back,
        rolled_back_to=past.returns_to if is_back or past.state != "failed" else "",
        version=past.version,
        is_current=past.is_current,
        changes=past.changes,
        elapsed_s=past.elapsed_s,
        release_state="healthy" if has_failed else "",
    )


def _run_state(past: PastRelease) -> RunState:
    return past.run_state or _STATES[past.state]


def _run_of(past: PastRelease, place: PlaceHistory) -> PastRun:
    """A run that only a place knows."""
    guessed = "rollback" if past.returns_to and past.state != "failed" else "deploy"
    command = past.command or (guessed if past.run else "")
    return PastRun(
        past.run, command, place.app, place.environment, past.released_at, _run_state(past),
        commit=past.commit, branch=past.branch, by=past.by, promoted_from=past.promoted_from,
    )  # fmt: skip


def _with(run: PastRun, own: PastTarget, by: str) -> PastRun:
    """The run with what a place knows of a target. What the journal says stays; a run may have made several releases of it."""
    run = run._replace(by=run.by or by)
    known = next((target for target in run.targets if (target.name, target.place) == (own.name, own.place)), None)
    if known is None:
        return run._replace(targets=(*run.targets, own))
    is_same = known.version in ("", own.version)
    # Heroku's release of a rollback after a failure runs what the target was rolled back to.
    is_back = known.is_rolled_back and bool(own.rolled_back_to)
    completed = known._replace(
        state=known.state or (own.state if is_same else ""),
        version=known.version or own.version,
        images=known.images or own.images,
        is_current=known.is_current or (own.is_current and (is_same or is_back)),
        changes=own.changes if is_same else known.changes,
        elapsed_s=own.elapsed_s if known.elapsed_s is None and is_same else known.elapsed_s,
        release_state="healthy" if known.state == "failed" and is_same and own.is_verified else known.release_state,
    )
    shown = [completed]
    if own.is_current and not (is_same or is_back):
        # Another release of this run runs now, such as a return that was stopped before it had its verdict: it is told beside.
        shown.append(own._replace(is_rolled_back=bool(own.rolled_back_to)))
    at = run.targets.index(known)
    return run._replace(targets=(*run.targets[:at], *shown, *run.targets[at + 1 :]))
