"""The steps of a target in two parts: the last ones remove what left deploy.yml, once the target is verified healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipit.config.project import Project
from shipit.errors import Interrupted, ShipitError
from shipit.pipeline.steps import apply_steps
from shipit.pipeline.verdict import Judge, Standing, TargetFailed, await_verdict, verdict_of
from shipit.release import Facts, Place, Step
from shipit.targets.base import Target
from shipit.targets.session import Session


class RemovalFailed(TargetFailed):
    """The target was healthy before something was removed: it is not rolled back."""

    may_roll_back = False


def parted(steps: Sequence[Step]) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps that are applied first, and those that are applied when the target is healthy."""
    return tuple(step for step in steps if not step.after_healthy), tuple(step for step in steps if step.after_healthy)


def apply_and_verify(
    target: Target, steps: Sequence[Step], place: Place, session: Session, judge: Judge, before: Any
) -> Standing:
    """Apply the steps of a plan that was made with `before`, the last ones once the target is healthy, and verify it.

    Without a first step, the target is judged as one that nothing was changed at. Raises: ShipitError.
    """
    facts: dict[str, Facts] = {}
    first_steps, last_steps = parted(steps)
    apply_steps(target, first_steps, place, session, facts)
    baseline = before if first_steps else None
    standing = await_verdict(target, judge, session, baseline, before, applied=facts)
    if not last_steps:
        return standing
    return remove(target, last_steps, place, session, None, judge, before, facts)


def remove(
    target: Target,
    steps: Sequence[Step],
    place: Place,
    session: Session,
    project: Project | None,
    judge: Judge,
    before: Any,
    facts: Mapping[str, Facts],
) -> Standing:
    """Apply the last steps, and verify the target again. `project` is that of `apply_step`. Raises: RemovalFailed, Interrupted."""
    try:
        applied = dict(facts)
        apply_steps(target, steps, place, session, applied, project)
        return await_verdict(target, judge, session, before, before, applied=applied)
    except Interrupted:
        raise
    except ShipitError as error:
        verdict = verdict_of(error, target)
        reason = f"it was healthy, then removing what left deploy.yml failed: {verdict.reason}"
        raise RemovalFailed(verdict._replace(reason=reason), target.name) from None
