"""The hooks of a run, if deploy.yml has any: what runs them is imported only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipit.pipeline.hook_text import has_hooks

if TYPE_CHECKING:
    from shipit.pipeline.hooks import Hooks
    from shipit.pipeline.run import Run


def hooks_of(run: Run) -> Hooks | None:
    """The hooks of deploy.yml; None where it has none. Raises: ShipitError for one that can't be run."""
    if not has_hooks(run):
        return None
    from shipit.pipeline.hooks import Hooks

    return Hooks(run)
