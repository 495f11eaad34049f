"""The runs of this machine and the releases that places tell, as one history. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shipit.past_release import PastRelease
from shipit.past_run import PastRun, PastTarget, RunState

_STATES: Mapping[str, RunState] = {"healthy": "done", "failed": "failed", "begun": "lost", "unknown": "unknown"}


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
    for place in places:
        for past in place.releases:
            is_back = past.state == "failed" and past.command != "rollback" and bool(past.returns_to)
            own = PastTarget(
                place.target,
                place.place,
                "" if past.state in ("unknown", "begun") else past.state,
                past.reason,
                past.images,
                is_rolled_back=is_back,
                rolled_back_to=past.returns_to if is_back or past.state != "failed" else "",
                version=past.version,
                is_current=past.is_current,
                changes=past.changes,
                elapsed_s=past.elapsed_s,
            )
            key = past.run or f"{place.target} {past.version}"
            found[key] = _with(found.get(key) or _run_of(past, place), own, past.by)
    return tuple(sorted(found.values(), key=lambda run: run.started_at, reverse=True))


def _run_of(past: PastRelease, place: PlaceHistory) -> PastRun:
    """A run that only a place knows."""
    guessed = "rollback" if past.returns_to and past.state != "failed" else "deploy"
    command = past.command or (guessed if past.run else "")
    return PastRun(
        past.run, command, place.app, place.environment, past.released_at, _STATES[past.state],
        commit=past.commit, branch=past.branch, by=past.by, promoted_from=past.promoted_from,
    )  # fmt: skip


def _with(run: PastRun, own: PastTarget, by: str) -> PastRun:
    """The run with what a place knows of a target. What the journal says stays; a run may have made several releases of it."""
    run = run._replace(by=run.by or by)
    known = next((target for target in run.targets if (target.name, target.place) == (own.name, own.place)), None)
    if known is None:
        return run._replace(targets=(*run.targets, own))
    is_last = not known.version or known.version == own.version
    completed = known._replace(
        state=known.state or (own.state if is_last else ""),
        version=known.version or own.version,
        images=known.images or own.images,
        is_current=known.is_current or own.is_current,
        changes=own.changes if is_last else known.changes,
        elapsed_s=own.elapsed_s if known.elapsed_s is None and is_last else known.elapsed_s,
    )
    return run._replace(targets=tuple(completed if target is known else target for target in run.targets))
