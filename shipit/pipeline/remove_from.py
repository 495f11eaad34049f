"""Targets from which something is removed, one after the other, each with its verdict as its last event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from shipit.errors import Interrupted, ShipitError
from shipit.events import TargetFinished
from shipit.pipeline.run import Run
from shipit.pipeline.verdict import verdict_of
from shipit.release import State, TargetPlan, Verdict
from shipit.targets.base import Target

if TYPE_CHECKING:
    from shipit.pipeline.hooks import Hooks

T = TypeVar("T", bound=Target)


def remove_from(
    run: Run,
    targets: Mapping[str, T],
    plans: Iterable[TargetPlan],
    state: Literal["removed", "pruned"],
    remove: Callable[[T, TargetPlan], str],
    hooks: Hooks | None = None,
) -> int:
    """Call `remove` for each target whose plan has steps; the number of those that failed.

    `remove` applies the steps, looks again and returns what it saw in words; none where the target has its verdict already.
    `hooks` are run around each target.
    Raises: Interrupted.
    """
    failed = 0
    for own in plans:
        if own.steps:
            target = targets[own.target]
            failed += not _told(run, target, state, own, partial(remove, target, own), hooks)
    return failed


def _told(
    run: Run, target: Target, state: Literal["removed", "pruned"], own: TargetPlan, remove: Callable[[], str],
    hooks: Hooks | None,
) -> bool:  # fmt: skip
    started = run.clock.now()
    try:
        if hooks:
            hooks.before_target(own)
        said = remove()
        ended = TargetFinished(target.name, state, run.clock.now() - started, Verdict(State.HEALTHY, said))
        if hooks:
            hooks.after_target(own, ended)
    except Interrupted:
        raise
    except ShipitError as error:
        ended = TargetFinished(target.name, "failed", run.clock.now() - started, verdict_of(error, target))
        run.emit(ended)
        if hooks:
            hooks.target_failed(own, ended)
        return False
    if said:
        run.emit(ended)
    return True
