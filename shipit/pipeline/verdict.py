"""Observes a place until it is healthy, has failed, or the deadline passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple, TypeGuard

from shipit.errors import DeadlinePassed, DeployFailed, RemoteError, ShipitError
from shipit.events import Waiting
from shipit.release import Facts, Seen, State, Verdict
from shipit.targets.base import Target, awaits_change, diagnoses, probes
from shipit.targets.session import Session

# (observed, seen) -> verdict.
Judge = Callable[[Any, Seen], Verdict]
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.3, 2.0
# Time limit for reading logs and events of a failure, also after the deadline.
DIAGNOSE_S = 15.0
NOTHING_APPLIED: Mapping[str, Facts] = MappingProxyType({})


class TargetFailed(DeployFailed):
    """The error for a verdict of failure. `observed` is what was judged; None where the place could not be read."""

    def __init__(self, verdict: Verdict, target: str, observed: Any = None) -> None:
        super().__init__(verdict.reason, where=target, detail=verdict.detail, hint=verdict.hint)
        self.verdict = verdict
        self.observed = observed
        self.superseded_by, self.down = verdict.superseded_by, verdict.down


class Standing(NamedTuple):
    """A verdict and the observation that it was made from; None when the place could not be read."""

    verdict: Verdict
    observed: Any


def await_verdict(
    target: Target,
    judge: Judge,
    session: Session,
    baseline: Any,
    before: Any = None,
    first: Any = None,
    applied: Mapping[str, Facts] = NOTHING_APPLIED,
) -> Standing:
    """Observe and judge until the verdict stands: failed at once, or healthy for `settle` seconds.

    `baseline` and `before` are those of `Seen`. `first` is a recent observation, which is used instead of a new one if it is healthy.
    Raises: DeployFailed, with what crashed, or when the deadline passes; RemoteError when the place can't be read.
    """
    clock, deadline, started = session.clock, session.deadline, session.clock.now()
    progress, moved, said, healthy_since, pause = "", started, "", None, FIRST_PAUSE_S
    settle_s = target.config.settle if baseline is not None else 0.0
    # This loop repeats reads that fail temporarily.
    session = replace(session, attempts=1, watches=True)
    while True:
        session.check_superseded()
        seen = Seen(clock.now(), started, moved, baseline, before, applied)
        is_first = first is not None
        (verdict, observed), first = _look(target, judge, session, seen, said, first), None
        if is_first and verdict.state is not State.HEALTHY:
            continue
        if verdict.state is State.FAILED and verdict.progress != progress and observed is not None:
            # It may have stalled until this look, and moved in it.
            fresh = judge(observed, seen._replace(unchanged_since_s=seen.now_s))
            verdict = fresh if fresh.progress != progress else verdict
        now = clock.now()
        if verdict.progress != progress:
            progress, moved, pause = verdict.progress, now, FIRST_PAUSE_S
        if verdict.state is State.FAILED:
            raise failure(target, verdict, session, observed)
        if verdict.state is State.HEALTHY:
            healthy_since = now if healthy_since is None else healthy_since
            if now - healthy_since >= settle_s:
                return Standing(verdict, observed)
        else:
            healthy_since = None
            if verdict.reason != said:
                said = verdict.reason
                session.emit(Waiting(target.name, said, verdict.parts))
        left_s = deadline.remaining_s()
        if not left_s:
            raise failure(target, _late(verdict), session, observed)
        # One look comes at the end of `settle`, whatever the pause has grown to.
        longest_s = left_s if healthy_since is None else min(left_s, healthy_since + settle_s - now)
        _wait(target, session, min(pause, max(0.05, longest_s)))
        pause = min(LONGEST_PAUSE_S, pause * 1.3)


def _wait(target: Target, session: Session, seconds: float) -> None:
    """Wait until the next look: for a change, where the target can tell of one."""
    if awaits_change(target):
        target.await_change(session, seconds)
    else:
        session.clock.sleep(seconds)


def _late(verdict: Verdict) -> Verdict:
    return verdict._replace(state=State.FAILED, reason=f"{verdict.reason} at the deadline")


def _look(target: Target, judge: Judge, session: Session, seen: Seen, said: str, first: Any) -> Standing:
    """Observe and judge once. `said` is the last reason to wait."""
    try:
        observed = target.observe(session) if first is None else first
        verdict = judge(observed, seen)
        if verdict.state is State.HEALTHY and probes(target):
            observed = target.probe(observed, session, has_changed=seen.baseline is not None)
            verdict = judge(observed, seen)
        return Standing(verdict, observed)
    except DeadlinePassed as error:
        is_short = session.clock.now() - seen.now_s < LONGEST_PAUSE_S
        what = f"{said} at the deadline" if is_short else f"{said}; {error.what}"
        return Standing(Verdict(State.FAILED, what if said else error.what, hint=error.hint), None)
    except RemoteError as error:
        if not error.retryable:
            raise
        return Standing(Verdict(State.WAITING, str(error), str(error), hint=error.hint), None)


def failure(target: Target, verdict: Verdict, session: Session, observed: Any = None) -> DeployFailed:
    """The error for a verdict of failure, with the logs and events that the kind adds."""
    own = replace(session, deadline_s=max(session.deadline_s, session.clock.now() + DIAGNOSE_S))
    known = target.diagnose(verdict, own) if diagnoses(target) else verdict
    return TargetFailed(known._replace(superseded_by=verdict.superseded_by, down=verdict.down), target.name, observed)


def verdict_of(error: ShipitError, target: Target) -> Verdict:
    """The verdict on a target whose release ended with an error."""
    if isinstance(error, TargetFailed) and error.where == target.name:
        return error.verdict
    if not isinstance(error, DeployFailed):
        return Verdict(State.FAILED, str(error), detail=error.detail, hint=error.hint)
    reason = error.what if error.where == target.name else str(error)
    by, down = error.superseded_by, error.down
    return Verdict(State.FAILED, reason, detail=error.detail, hint=error.hint, superseded_by=by, down=down)


def version_of(error: ShipitError, target: Target) -> str:
    """The place's own name for the release that was judged a failure; empty where it is not known, or somebody else changed the place."""
    observed = error.observed if isinstance(error, TargetFailed) and error.where == target.name else None
    if observed is None or verdict_of(error, target).superseded_by:
        return ""
    status = target.describe(observed)
    return status.attempted or status.version


def was_verified(error: Exception) -> TypeGuard[DeployFailed]:
    """True when a target failed after it was verified healthy, such as by a hook."""
    return isinstance(error, DeployFailed) and error.is_healthy
