"""The way back of a target whose deploy failed: to what was observed before the first change."""

from __future__ import annotations

from functools import partial
from typing import Any

from shipit.errors import Interrupted, ShipitError
from shipit.pipeline.run import Run
from shipit.pipeline.steps import apply_step
from shipit.pipeline.verdict import await_verdict
from shipit.release import Seen, State
from shipit.targets.base import Reverts, Target


def roll_back(run: Run, target: Target, before: Any) -> str:
    """Bring a place back and wait until it is healthy; what came of it, as the end of a sentence.

    A deploy that was rolled back has failed all the same. Raises: Interrupted only.
    """
    if not isinstance(target, Reverts):
        return "; this kind can't be rolled back"
    context = run.context(target)
    try:
        now = target.observe(context)
        steps = target.plan_back(before, now)
        if not steps:
            return _untouched(run, target, before, now)
        for step in steps:
            apply_step(run, target, step, before, context, is_way_back=True)
        verdict = await_verdict(run, target, partial(target.judge_back, before), context, now, before)
    except Interrupted:
        raise
    except ShipitError as error:
        return f"; rolling back failed, too: {error}"
    return f"; rolled back to what ran before ({verdict.reason})"


def _untouched(run: Run, target: Reverts, before: Any, now: Any) -> str:
    """What to say where nothing is to be done: that what ran before still runs only when it does."""
    at = run.clock.now()
    verdict = target.judge_back(before, now, Seen(at, at, at, None, before))
    if verdict.state is State.HEALTHY:
        return "; nothing to roll back: what ran before still runs"
    return f"; nothing was rolled back: {verdict.reason}"
