"""The releases of a place, completed from the runs of this machine. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shipit.past_release import PastRelease
from shipit.past_run import CLOCKS_S, PastRun, PastTarget, time_of
from shipit.release import Place


class _Known(NamedTuple):
    run: PastRun
    target: PastTarget


def merged(found: Sequence[PastRelease], runs: Iterable[PastRun], place: Place) -> tuple[PastRelease, ...]:
    """The releases with what a run knows of them: its id, its verdict, and its commit. `runs` are the newest first.

    A run is found by its id, or by the version that it released at the place. A release that was made during a run that
    ended with another version is a part of that run. What the place says itself stays.
    """
    known = [_Known(run, target) for run in runs for target in run.targets if target.place == place.identity]
    by_run = {item.run.run: item for item in reversed(known)}
    by_version: dict[str, list[_Known]] = {}
    for item in known:
        if item.target.version and item.target.state in _STATES:
            by_version.setdefault(item.target.version, []).append(item)
    merges = []
    for past in found:
        if by_id := by_run.get(past.run):
            if past.state == "failed" and _is_verified_since(by_id, by_version.get(past.version, ())):
                past = past._replace(state="healthy", reason="")
            merges.append(_completed(past, by_id))
        elif released := _released(past, by_version.get(past.version, ())):
            # A place that has no runs can only guess which release a deploy has not completed.
            merges.append(_completed(past._replace(state=_guessed(past)), released))
        else:
            merges.append(_completed(past, _part_of(past, known)))
    return tuple(merges)


def _is_verified_since(made: _Known, known: Sequence[_Known]) -> bool:
    """True where a later run has changed nothing, and found the release healthy."""
    return any(item.target.state == "unchanged" and item.run.started_at > made.run.started_at for item in known)


def _released(past: PastRelease, known: Sequence[_Known]) -> _Known | None:
    """The run that released a version, with its newest verdict: an unchanged deploy verifies it again.

    A run that ended before the release was made is of an earlier place of the same name.
    """
    fitting = [item for item in known if not _is_before(item.run, past)]
    if not fitting:
        return None
    makers = [item for item in fitting if item.target.state != "unchanged"]
    around = [item for item in makers if item.run.started_at[:19] <= past.released_at[:19] <= item.run.ended_at[:19]]
    made, newest = (around or makers or fitting[:1])[-1], fitting[0]
    return _Known(made.run, made.target._replace(state=newest.target.state))


def _is_before(run: PastRun, past: PastRelease) -> bool:
    made, ended = time_of(past.released_at), time_of(run.ended_at)
    return datetime.min not in (made, ended) and made - ended > timedelta(seconds=CLOCKS_S)


def _guessed(past: PastRelease) -> Literal["healthy", "failed", "begun", "unknown"]:
    return "unknown" if past.state == "begun" and not past.run else past.state


def _part_of(past: PastRelease, known: Sequence[_Known]) -> _Known | None:
    """The run in which a release was made that is not the last one of it."""
    for item in known:
        run = item.run
        if item.target.version and run.started_at[:19] <= past.released_at[:19] <= run.ended_at[:19]:
            # A deploy that rolled back has waited until the release that it returned to was healthy.
            is_return = item.target.is_rolled_back and bool(past.returns_to)
            return _Known(run, item.target._replace(state="healthy" if is_return else "", images=()))
    return None


# State of TargetFinished -> that of a PastRelease.
_STATES: Mapping[str, Literal["healthy", "failed"]] = {
    "healthy": "healthy",
    "unchanged": "healthy",
    "failed": "failed",
}


def _completed(past: PastRelease, known: _Known | None) -> PastRelease:
    if known is None:
        return past
    run, target = known
    verdict: Literal["healthy", "failed", "begun"] = _STATES.get(target.state, "begun")
    state = verdict if past.state == "unknown" else past.state
    return past._replace(
        run=past.run or run.run,
        state=state,
        commit=past.commit or run.commit,
        branch=past.branch or run.branch,
        images=past.images or (target.images if target.state else ()),
        reason=past.reason or (target.reason if state == "failed" else ""),
        wanted=past.wanted or target.wanted,
        returns_to=past.returns_to or _returned_to(past, run, target),
    )


def _returned_to(past: PastRelease, run: PastRun, target: PastTarget) -> str:
    """The version that a rollback by command released again as a release of its own; empty for other runs."""
    is_verified = target.state in ("healthy", "unchanged")
    is_back = run.command == "rollback" and is_verified and target.version == past.version
    return target.rolled_back_to if is_back and target.rolled_back_to != past.version else ""
