"""The saved plan of a command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from shipit.cli.options import TargetOptions

if TYPE_CHECKING:
    from shipit.history.saved_plan import SavedPlan

Options = TypeVar("Options", bound=TargetOptions)


def read_saved(file: str | None, *, untrusted: bool) -> SavedPlan | None:
    """The saved plan in the file of --plan; None without one. Raises: UsageError, Unreadable."""
    if file is None:
        return None
    from pathlib import Path

    from shipit.cli.printing import read_environment
    from shipit.history.saved_plan import read_plan
    from shipit.pipeline.promise import plan_key
    from shipit.targets.kinds import load_steps

    load_steps()
    return read_plan(Path(file), plan_key(read_environment(untrusted)))


def for_targets_of(options: Options, saved: SavedPlan | None) -> Options:
    """The options, for the targets of a saved plan where they name none."""
    if saved is None or options.selected:
        return options
    return replace(options, targets=[target.name for target in saved.targets])
