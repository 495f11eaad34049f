"""The saved plan of a command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from shipit.cli.options import ProjectOptions, TargetOptions

if TYPE_CHECKING:
    from shipit.cli.runs import Loaded
    from shipit.history.saved_plan import SavedPlan
    from shipit.pipeline.run import Run

Options = TypeVar("Options", bound=TargetOptions)


class Saved(NamedTuple):
    """A saved plan, and what was loaded to read it.

    `shared_key` is the key of several machines, with which its keyed hashes were made; None where there is none.
    """

    plan: SavedPlan
    shared_key: str | None
    loaded: Loaded


def read_saved(file: str | None, options: ProjectOptions, *, for_deploy: bool = True) -> Saved | None:
    """The saved plan in the file of --plan; None without one. `options` select the project. Raises: ShipitError, Unreadable."""
    if file is None:
        return None
    from pathlib import Path

    from shipit.cli.runs import load
    from shipit.history.saved_plan import read_plan
    from shipit.pipeline.promise import plan_key
    from shipit.pipeline.shared_key import shared_key
    from shipit.targets.kinds import load_steps

    load_steps()
    loaded = load(options, for_deploy=for_deploy, plan_file=file)
    shared = shared_key(loaded.project, loaded.environment)
    return Saved(read_plan(Path(file), plan_key(shared, loaded.environment)), shared, loaded)


def plan_for(run: Run, saved: Saved | None) -> SavedPlan | None:
    """The saved plan for a run, whose keyed hashes are made with the same key from now on; None without one."""
    if saved is None:
        return None
    if saved.shared_key is not None:
        run.share_marks(saved.shared_key)
    return saved.plan


def for_targets_of(options: Options, saved: Saved | None) -> Options:
    """The options, for the targets of a saved plan where they name none."""
    if saved is None or options.selected:
        return options
    return replace(options, targets=[target.name for target in saved.plan.targets])


def write_saved(
    run: Run, saved: SavedPlan, file: str, shared_key: str | None, *, promotes_from: str = "", is_rollback: bool = False
) -> None:
    """Write a plan to the file of --save, and emit that. Raises: UsageError."""
    from pathlib import Path

    from shipit.events import PlanSaved
    from shipit.history.saved_plan import write_plan
    from shipit.pipeline.promise import plan_key

    write_plan(Path(file), saved, plan_key(shared_key, run.environment))
    run.emit(PlanSaved(file, saved.expires_at, promotes_from, is_rollback))
