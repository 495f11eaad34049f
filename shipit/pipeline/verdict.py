"""Looking at a place until it is healthy, failed, or out of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shipit.errors import DeployFailed, RemoteError
from shipit.events import Waiting
from shipit.pipeline.run import Run
from shipit.release import Seen, State, Verdict
from shipit.targets.base import Context, Diagnoses, Target

# From a place as observed, and what is remembered of it, to what is to be thought of it.
Judge = Callable[[Any, Seen], Verdict]
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.3, 2.0


def await_verdict(run: Run, target: Target, judge: Judge, context: Context, baseline: Any) -> Verdict:
    """Observe and judge until the verdict stands: failed at once, or healthy for `settle` seconds.

    Raises: DeployFailed, with what crashed, or when the deadline passes; RemoteError when the place can't be read.
    """
    clock, started = run.clock, run.clock.now()
    progress, moved, said, healthy_since, pause = "", started, "", None, FIRST_PAUSE_S
    while True:
        verdict = _look(target, judge, context, Seen(clock.now(), started, moved, baseline))
        now = clock.now()
        if verdict.progress != progress:
            progress, moved, pause = verdict.progress, now, FIRST_PAUSE_S
        if verdict.state is State.FAILED:
            raise failure(target, verdict, context)
        if verdict.state is State.HEALTHY:
            healthy_since = now if healthy_since is None else healthy_since
            if now - healthy_since >= (target.config.settle if baseline is not None else 0):
                return verdict
        else:
            healthy_since = None
            if verdict.reason != said:
                said = verdict.reason
                run.emit(Waiting(target.name, said))
        if now > context.deadline_s:
            late = Verdict(
                State.FAILED,
                f"{verdict.reason} at the deadline",
                verdict.progress,
                verdict.detail,
                verdict.hint,
                verdict.subject,
            )
            raise failure(target, late, context)
        clock.sleep(min(pause, max(0.05, context.deadline_s - now)))
        pause = min(LONGEST_PAUSE_S, pause * 1.3)


def _look(target: Target, judge: Judge, context: Context, seen: Seen) -> Verdict:
    try:
        return judge(target.observe(context), seen)
    except RemoteError as error:
        if not error.retryable:
            raise
        return Verdict(State.WAITING, str(error), str(error), hint=error.hint)


def failure(target: Target, verdict: Verdict, context: Context) -> DeployFailed:
    """The error for a verdict of failure, with what the kind can add."""
    known = target.diagnose(verdict, context) if isinstance(target, Diagnoses) else verdict
    return DeployFailed(known.reason, where=target.name, detail=known.detail, hint=known.hint)
