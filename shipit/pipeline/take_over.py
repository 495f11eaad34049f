"""The question whether a deploy takes over what another tool owns."""

from __future__ import annotations

from shipit.errors import OwnedByOthers, ShipitError
from shipit.pipeline.run import Run
from shipit.targets.base import takes_over


def has_taken_over(run: Run, error: ShipitError) -> bool:
    """Ask whether to take over what the error says that others own; for a yes, the targets of the run do so.

    False for another error, for a no, and where nobody can be asked.
    """
    found = [one for one in error.parts or (error,) if isinstance(one, OwnedByOthers)]
    if len(found) != len(error.parts or (error,)):
        return False
    if not run.take_over([line for one in found for line in (str(one), *(f"  {row}" for row in one.detail))]):
        return False
    names = {one.where for one in found}
    run.targets = [
        target.taking_over() if target.name in names and takes_over(target) else target for target in run.targets
    ]
    return True
