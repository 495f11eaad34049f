"""The saved plan of a command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from shipit.cli.options import ProjectOptions, TargetOptions

if TYPE_CHECKING:
    from shipit.history.saved_plan import SavedPlan
    from shipit.pipeline.run import Run

Options = TypeVar("Options", bound=TargetOptions)


def read_saved(file: str | None, options: ProjectOptions) -> SavedPlan | None:
    """The saved plan in the file of --plan; None without one. `options` select the project. Raises: ShipitError, Unreadable."""
    if file is None:
        return None
    from pathlib import Path

    from shipit.cli.runs import load
    from shipit.history.saved_plan import read_plan
    from shipit.pipeline.promise import plan_key
    from shipit.targets.kinds import load_steps

    load_steps()
    return read_plan(Path(file), plan_key(*load(options)))


def share_key_of(run: Run) -> None:
    """Make the keyed hashes of a run with the key of several machines, as those of a saved plan are."""
    from shipit.pipeline.shared_key import share_key

    share_key(run)


def for_targets_of(options: Options, saved: SavedPlan | None) -> Options:
    """The options, for the targets of a saved plan where they name none."""
    if saved is None or options.selected:
        return options
    return replace(options, targets=[target.name for target in saved.targets])
