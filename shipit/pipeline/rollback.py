"""The way back of a target whose deploy failed: to what was observed before the first change."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from shipit.errors import Interrupted, ShipitError
from shipit.pipeline.run import Run
from shipit.pipeline.steps import apply_step
from shipit.pipeline.verdict import await_verdict
from shipit.release import Seen, State
from shipit.targets.base import Reverts, Target


class WayBack(NamedTuple):
    """What came of rolling back, as the end of a sentence, and whether what ran before runs."""

    said: str
    is_back: bool


def roll_back(run: Run, target: Target, before: Any) -> WayBack:
    """Bring a place back and wait until it is healthy.

    A deploy that was rolled back has failed all the same. Raises: Interrupted only.
    """
    if not isinstance(target, Reverts):
        return WayBack("; this kind can't be rolled back", is_back=False)
    context = run.context(target)
    try:
        now = target.observe(context)
        steps = target.plan_back(before, now)
        if not steps:
            return _untouched(run, target, before, now)
        for step in steps:
            apply_step(run, target, step, before, context, is_way_back=True)
        verdict, _ = await_verdict(run, target, partial(target.judge_back, before), context, now, before)
    except Interrupted:
        raise
    except ShipitError as error:
        return WayBack(f"; rolling back failed, too: {error}", is_back=False)
    return WayBack(f"; rolled back to what ran before ({verdict.reason})", is_back=True)


def _untouched(run: Run, target: Reverts, before: Any, now: Any) -> WayBack:
    """What to say where nothing is to be done: that what ran before still runs only when it does."""
    at = run.clock.now()
    verdict = target.judge_back(before, now, Seen(at, at, at, None, before))
    if verdict.state is State.HEALTHY:
        return WayBack("; nothing to roll back: what ran before still runs", is_back=True)
    return WayBack(f"; nothing was rolled back: {verdict.reason}", is_back=False)
