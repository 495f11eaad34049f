"""The hooks of a run, if deploy.yml has any: what runs them is imported only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shipit.errors import Interrupted, ShipitError
from shipit.pipeline.endings import Ending
from shipit.pipeline.hook_text import has_hooks
from shipit.release import Plan

if TYPE_CHECKING:
    from shipit.pipeline.hooks import Hooks
    from shipit.pipeline.run import Run


def hooks_of(run: Run) -> Hooks | None:
    """The hooks of deploy.yml for the command of a run; None where it has none. Raises: ShipitError for one that can't be run."""
    if not has_hooks(run):
        return None
    from shipit.pipeline.hooks import Hooks

    hooks = Hooks(run)
    # A hook may print a secret that the command itself does not need.
    run.read_near_secrets()
    return hooks


def with_hooks(run: Run, hooks: Hooks | None, plan: Plan, change: Callable[[], Ending]) -> Ending:
    """Change what is planned, with the hooks of the run before and after it. Raises: ShipitError."""
    if hooks is None:
        return change()
    try:
        hooks.begin(plan)
        ending = change()
    except ShipitError as error:
        if not isinstance(error, Interrupted):
            hooks.failed(error, run.ended)
        raise
    return hooks.ended(ending, run.ended)
