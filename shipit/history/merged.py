"""The releases of a place, completed from the runs of this machine. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from shipit.past_release import PastRelease
from shipit.past_run import PastRun, PastTarget
from shipit.release import Place

_Verdict = Literal["healthy", "failed", "begun"]
# State of TargetFinished -> that of a PastRelease.
_STATES: Mapping[str, Literal["healthy", "failed"]] = {
    "healthy": "healthy",
    "unchanged": "healthy",
    "failed": "failed",
}


class _Known(NamedTuple):
    """What a run knows of a release. `verdict` is that on the release: a target may fail after it was verified."""

    run: PastRun
    target: PastTarget
    verdict: _Verdict


def merged(found: Sequence[PastRelease], runs: Iterable[PastRun], place: Place) -> tuple[PastRelease, ...]:
    """The releases with what a run knows of them: its id, its verdict, and its commit. `runs` are the newest first.

    A run is found by its id, or by the version that it released at the place. A release that was made during a run that
    ended with another version is a part of that run. What the place says itself stays.
    """
    known = [
        _Known(run, target, _verdict(target))
        for run in runs
        for target in run.targets
        if target.place == place.identity
    ]
    by_run = {item.run.run: item for item in reversed(known)}
    by_version: dict[str, list[_Known]] = {}
    for item in known:
        if item.target.version and item.target.state in _STATES:
            by_version.setdefault(item.target.version, []).append(item)
    return tuple(_merged(past, by_run.get(past.run), by_version.get(past.version, ()), known) for past in found)


def _verdict(target: PastTarget) -> _Verdict:
    return "healthy" if target.is_verified else _STATES.get(target.state, "begun")


def _merged(
    past: PastRelease, by_run: _Known | None, of_version: Sequence[_Known], known: Sequence[_Known]
) -> PastRelease:
    """A release with what is known of it. `of_version` are the runs with a verdict on its version, the newest first."""
    if by_run:
        # The place may have been away when its own run recorded the verdict.
        is_unrecorded = past.state == "begun" and by_run.verdict == "healthy"
        is_mended = is_unrecorded or (past.state == "failed" and _is_verified_since(by_run.run, of_version))
        return _completed(past._replace(state="healthy") if is_mended else past, by_run)
    if released := _released(past, of_version):
        # A place that has no runs can only guess which release a deploy has not completed.
        return _completed(past._replace(state="unknown") if past.state == "begun" and not past.run else past, released)
    return _completed(past, _part_of(past, known))


def _is_verified_since(run: PastRun, of_version: Sequence[_Known]) -> bool:
    """True where the newest run with a verdict is a later one that has changed nothing, and found the release healthy."""
    newest = next(iter(of_version), None)
    return newest is not None and newest.target.state == "unchanged" and newest.run.started_at > run.started_at


def _released(past: PastRelease, of_version: Sequence[_Known]) -> _Known | None:
    """The run that released a version, with its newest verdict: an unchanged deploy verifies it again.

    A run that ended before the release was made is of an earlier place of the same name.
    """
    fitting = [item for item in of_version if not item.run.ended_before(past.released_at)]
    if not fitting:
        return None
    makers = [item for item in fitting if item.target.state != "unchanged"]
    around = [item for item in makers if _is_during(past, item.run)]
    made, newest = (around or makers or fitting[:1])[-1], fitting[0]
    why = newest if newest.verdict == "failed" else made
    return _Known(made.run, made.target._replace(reason=why.target.reason), newest.verdict)


def _is_during(past: PastRelease, run: PastRun) -> bool:
    return run.started_at[:19] <= past.released_at[:19] <= run.ended_at[:19]


def _part_of(past: PastRelease, known: Sequence[_Known]) -> _Known | None:
    """The run in which a release was made that is not the last one of it."""
    for item in known:
        if item.target.version and _is_during(past, item.run):
            # A deploy that rolled back has waited until the release that it returned to was healthy.
            is_return = item.target.is_rolled_back and bool(past.returns_to)
            part = item.target._replace(state="healthy" if is_return else "", images=(), release_state="")
            return _Known(item.run, part, _verdict(part))
    return None


def _completed(past: PastRelease, known: _Known | None) -> PastRelease:
    if known is None:
        return past
    run, target, verdict = known
    state = verdict if past.state == "unknown" else past.state
    has_failed = state == "healthy" and target.state == "failed"
    return past._replace(
        run=past.run or run.run,
        state=state,
        commit=past.commit or run.commit,
        branch=past.branch or run.branch,
        images=past.images or (target.images if target.state else ()),
        reason=past.reason or (target.reason if state == "failed" or has_failed else ""),
        wanted=past.wanted or target.wanted,
        returns_to=past.returns_to or _returned_to(past, known),
        run_state=past.run_state or ("failed" if has_failed else ""),
    )


def _returned_to(past: PastRelease, known: _Known) -> str:
    """The version that a rollback by command released again as a release of its own; empty for other runs."""
    run, target, verdict = known
    is_verified = "healthy" in (verdict, _verdict(target))
    is_back = run.command == "rollback" and is_verified and target.version == past.version
    return target.rolled_back_to if is_back and target.rolled_back_to != past.version else ""
