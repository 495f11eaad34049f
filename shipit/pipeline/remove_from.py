"""Targets from which something is removed, one after the other, each with its verdict as its last event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Literal, TypeVar

from shipit.errors import Interrupted, ShipitError
from shipit.events import TargetFinished
from shipit.pipeline.run import Run
from shipit.pipeline.verdict import verdict_of
from shipit.release import State, TargetPlan, Verdict
from shipit.targets.base import Target

T = TypeVar("T", bound=Target)


def remove_from(
    run: Run,
    targets: Mapping[str, T],
    plans: Iterable[TargetPlan],
    state: Literal["removed", "pruned"],
    remove: Callable[[T, TargetPlan], str],
) -> int:
    """Call `remove` for each target whose plan has steps; the number of those that failed.

    `remove` applies the steps, looks again and returns what it saw in words; none where the target has its verdict already.
    Raises: Interrupted.
    """
    failed = 0
    for own in plans:
        if own.steps:
            target = targets[own.target]
            failed += not _told(run, target, state, partial(remove, target, own))
    return failed


def _told(run: Run, target: Target, state: Literal["removed", "pruned"], remove: Callable[[], str]) -> bool:
    started = run.clock.now()
    try:
        said = remove()
    except Interrupted:
        raise
    except ShipitError as error:
        run.emit(TargetFinished(target.name, "failed", run.clock.now() - started, verdict_of(error, target)))
        return False
    if said:
        run.emit(TargetFinished(target.name, state, run.clock.now() - started, Verdict(State.HEALTHY, said)))
    return True
