"""Rolling back a target whose deploy failed, to what was observed before the first change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from shipit.errors import Interrupted, ShipitError
from shipit.pipeline.steps import apply_steps
from shipit.pipeline.verdict import await_verdict
from shipit.release import Facts, Place, Release, Seen, State
from shipit.targets.base import Reverts, Target, reverts
from shipit.targets.session import Session


class RollbackResult(NamedTuple):
    """The result of a rollback: the end of a sentence, and whether what ran before runs again."""

    said: str
    is_back: bool


def roll_back(
    target: Target, release: Release, place: Place, before: Any, session: Session, applied: Mapping[str, Facts]
) -> RollbackResult:
    """Roll a place back and wait until it is healthy. `applied` is what the steps of the deploy reported, by their ids.

    A deploy that was rolled back has failed all the same. Raises: Interrupted only.
    """
    if not reverts(target):
        return RollbackResult("; this kind can't be rolled back", is_back=False)
    try:
        now = target.observe(session)
        steps = target.plan_rollback(release, before, now, applied)
        if not steps:
            return _untouched(target, release, before, now, session.clock.now())
        facts: dict[str, Facts] = {}
        apply_steps(target, steps, place, session, facts)
        judge = partial(target.judge_rollback, release, before)
        verdict, _ = await_verdict(target, judge, session, now, before, applied=facts)
    except Interrupted:
        raise
    except ShipitError as error:
        return RollbackResult(f"; rolling back failed, too: {error}", is_back=False)
    return RollbackResult(f"; rolled back to what ran before ({verdict.reason})", is_back=True)


def _untouched(target: Reverts, release: Release, before: Any, now: Any, at: float) -> RollbackResult:
    """The result when there are no steps: whether what ran before still runs is judged, not assumed."""
    verdict = target.judge_rollback(release, before, now, Seen(at, at, at, None, before))
    if verdict.state is State.HEALTHY:
        return RollbackResult("; nothing to roll back: what ran before still runs", is_back=True)
    return RollbackResult(f"; nothing was rolled back: {verdict.reason}", is_back=False)
