"""`shipit rollback`: returns targets to one of their earlier releases, without a build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from shipit.errors import ShipitError, UsageError
from shipit.events import Warned
from shipit.parallel import Failures, together
from shipit.past_release import PastRelease
from shipit.pipeline.change import Change, announce, make_changes, plan_changes
from shipit.pipeline.choose_release import Choice, choose_release, running_release
from shipit.pipeline.graph import run_order
from shipit.pipeline.left_rollback import LeftRollback, left_rollbacks
from shipit.pipeline.promise import check_current, check_return_kept, promise_return
from shipit.pipeline.push_again import recall_past
from shipit.pipeline.releases import Releases, check_environment, read_own_runs, read_releases
from shipit.pipeline.run import Run
from shipit.pipeline.run_hooks import hooks_of
from shipit.pipeline.shared_key import share_found_key
from shipit.pipeline.untouched import untouched
from shipit.targets.base import Target
from shipit.targets.history import Returns, pushes_again, records_published, returns

if TYPE_CHECKING:
    from shipit.history.saved_plan import SavedPlan
    from shipit.pipeline.hooks import Hooks

_Left = Mapping[str, LeftRollback | None]


def rollback(run: Run, wanted: str = "", *, is_selected: bool = False, saved: SavedPlan | None = None) -> int:
    """Return every target to the release that `wanted` names, or to the newest healthy one before what runs now.

    Without a name, a rollback that failed or has no end is completed. A target that another one needs is rolled back after it.
    With `is_selected`, a target whose kind can't return to a release is an error; without, a warning. With a `saved` plan it does
    what that says, without a question, or nothing. The exit code is that
    of a deploy. Raises: ShipitError, before anything is changed.
    """
    changes, hooks = _changes(run, wanted, is_selected=is_selected, saved=saved)
    check = partial(check_return_kept, run, saved, changes) if saved else None
    return make_changes(
        run, changes, "rolled back and healthy", unchanged="healthy", hooks=hooks, most=run.project.max_parallel,
        check=check,
    )  # fmt: skip


def save_rollback(run: Run, wanted: str, lasts_s: float, *, is_selected: bool = False) -> SavedPlan:
    """The plan of a rollback as it is saved; it is emitted, and nothing is changed. Raises: ShipitError."""
    changes, hooks = _changes(run, wanted, is_selected=is_selected, is_saving=True)
    plan, _ = plan_changes(run, changes, hooks)
    return promise_return(run, changes, plan, lasts_s)


def _changes(
    run: Run, wanted: str, *, is_selected: bool, saved: SavedPlan | None = None, is_saving: bool = False
) -> tuple[list[Change], Hooks | None]:
    """The change of each target that goes back, and the hooks around them. Raises: ShipitError."""
    chosen, others = _split(run)
    announce(run, "rollback", [target.name for target in chosen])
    if saved:
        check_current(run, saved)
    elif not is_saving:
        share_found_key(run)
    hooks = hooks_of(run)
    _leave(run, others, is_error=is_selected or not chosen)
    return _planned_changes(run, chosen, wanted, is_selected=is_selected, saved=saved), hooks


def _leave(run: Run, others: Mapping[str, str], *, is_error: bool) -> None:
    """Warn of the targets that can't return to a release. Raises: UsageError where that is an error."""
    for name, what in others.items():
        if is_error:
            raise UsageError(f"{name} {what}", hint="shipit rollback TARGET for one that can be rolled back")
        run.emit(Warned(name, f"it {what}, and is left as it is"))


def _planned_changes(
    run: Run, chosen: list[Returns], wanted: str, *, is_selected: bool, saved: SavedPlan | None
) -> list[Change]:
    """The change of each target, to the release that it returns to. Raises: ShipitError."""
    runs = read_own_runs(run)
    history = read_releases(run, chosen, runs)
    places = {target.name: target.place for target in chosen}
    left = left_rollbacks(runs, history, places)
    named = _named(chosen, wanted, saved)
    without = {} if is_selected else _without_release(chosen, history, left, named)
    if not is_selected and not any(named.values()):
        without = {**untouched(runs, history, places), **without}
    if len(without) < len(chosen):
        for name, why in without.items():
            run.emit(Warned(name, f"it is left as it is: {why}"))
        chosen = [target for target in chosen if target.name not in without]
    try:
        choices = _choices(chosen, history, left, named)
    except ShipitError:
        check_environment(run, (wanted,))
        raise
    recalled = together(
        {target.name: partial(recall_past, run, target, choices[target.name].past) for target in chosen}, run.clock
    )
    running = {target.name: running_release(history[target.name]) for target in chosen}
    after = {target.name: _needed_by(target, chosen) for target in chosen}
    by_name = {target.name: target for target in chosen}
    # In the order in which they go back: the first of them may be a canary.
    return [
        _change(by_name[name], choices[name], recalled[name], after[name], running[name]) for name in run_order(after)
    ]


def _named(targets: Sequence[Target], wanted: str, saved: SavedPlan | None) -> Mapping[str, str]:
    """Target -> the release to return to: what the saved plan says, or else `wanted`; empty for the default."""
    if saved is None:
        return {target.name: wanted for target in targets}
    return {own.target: own.returns_to for own in saved.plan.targets}


def _split(run: Run) -> tuple[list[Returns], Mapping[str, str]]:
    """The targets that can return to a release; name -> the reason, for the others."""
    chosen: list[Returns] = []
    others: dict[str, str] = {}
    for target in run.targets:
        if returns(target):
            chosen.append(target)
        else:
            others[target.name] = f"can't be rolled back: it is a {target.kind.name}, which keeps no releases"
    return chosen, others


def _without_release(
    targets: list[Returns], history: Mapping[str, Releases], left: _Left, named: Mapping[str, str]
) -> Mapping[str, str]:
    """The targets that run nothing and have no release to return to -> why: those that run something go back without them."""
    found: dict[str, str] = {}
    for target in targets:
        if records_published(target):
            try:
                choose_release(target.name, history[target.name], named[target.name], left=left[target.name])
            except UsageError as error:
                found[target.name] = error.what
    return found


def _choices(
    targets: list[Returns], history: Mapping[str, Releases], left: _Left, named: Mapping[str, str]
) -> Mapping[str, Choice]:
    """Raises: UsageError, of all targets that have no release to return to."""
    found: dict[str, Choice] = {}
    errors: list[UsageError] = []
    for target in targets:
        try:
            found[target.name] = choose_release(
                target.name,
                history[target.name],
                named[target.name],
                takes_gone=pushes_again(target),
                left=left[target.name],
            )
        except UsageError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else Failures(tuple(errors))
    return found


def _change(
    target: Returns, choice: Choice, recalled: Any, after: tuple[str, ...], running: PastRelease | None
) -> Change:
    return Change(
        target,
        partial(target.plan_return, recalled),
        partial(target.judge_return, recalled),
        choice.notes,
        more_notes=partial(target.return_notes, recalled),
        after=after,
        recalled=recalled,
        returns_to=choice.past,
        leaves=running.version if running else "",
        completes_left=choice.is_left,
    )


def _needed_by(target: Target, others: list[Returns]) -> tuple[str, ...]:
    """The targets that need this one: they are rolled back first, as they were deployed last."""
    return tuple(other.name for other in others if target.name in other.config.needs)
