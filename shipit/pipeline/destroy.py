"""The command destroy: what shipit made at the chosen targets is listed, removed after a confirmation, and looked for again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from shipit.errors import DeployFailed, UsageError
from shipit.events import PlanMade, Warned
from shipit.parallel import together
from shipit.pipeline.approve import approve_plan
from shipit.pipeline.endings import Ending
from shipit.pipeline.graph import run_order
from shipit.pipeline.hook_text import hook_lines
from shipit.pipeline.lock_notes import lock_notes
from shipit.pipeline.lock_wait import await_turn
from shipit.pipeline.locks import begin_changes
from shipit.pipeline.remove_from import remove_from
from shipit.pipeline.run import Run
from shipit.pipeline.run_hooks import hooks_of, with_hooks
from shipit.pipeline.steps import apply_steps
from shipit.pipeline.telling import tell_warnings
from shipit.release import Destruction, Leftover, Plan, Step, TargetPlan
from shipit.targets.verbs import Destroys, destroys, prunes

if TYPE_CHECKING:
    from shipit.pipeline.hooks import Hooks

_SHARED = "images that only these targets need are removed, too, when all of the targets are"


def destroy(run: Run, wanted: Destruction, *, is_selected: bool, takes_volumes: bool = False) -> int:
    """Remove what shipit made at the targets of a run, and verify that it is gone; the exit code.

    `is_selected` is whether the user named the targets: one that can't be destroyed is an error then, and is left out else.
    With `takes_volumes` every volume that would stay is removed, as if the user had named it.
    Raises: UsageError when it is not confirmed.
    """
    tell_warnings(run.project, run.emit)
    run.announce("destroy")
    await_turn(run)
    hooks = hooks_of(run)
    targets = _targets(run, wanted, is_selected=is_selected)
    found = together(
        {name: partial(target.inventory, run.session(target)) for name, target in targets.items()}, run.clock
    )
    left = [item for name, target in targets.items() for item in target.leftovers(found[name], Destruction())]
    _check_named(left, wanted)
    if takes_volumes:
        wanted = wanted._replace(named=(*wanted.named, *(item.name for item in left if item.is_volume)))
    plan = _plan(run, targets, found, wanted)
    if plan.changes:
        plan = plan._replace(hooks=tuple(hook_lines(run.project.hooks, run.command)))
    run.emit(PlanMade(plan, plan.changes))
    if not plan.changes:
        return _end(run, Ending(0, "nothing to remove"))
    places = [f"{own.target} ({own.place.identity})" for own in plan.targets if own.steps]
    if not run.confirm(plan, [f"remove from {', '.join(places)}"]):
        raise UsageError(
            "not confirmed: nothing was removed",
            hint=f"pass -e {run.project.environment} --yes where nobody can be asked",
        )
    approve_plan(run, plan)
    begin_changes(run, plan)
    return _end(run, with_hooks(run, hooks, plan, partial(_remove_all, run, targets, plan, wanted, hooks)))


def _remove_all(
    run: Run, targets: Mapping[str, Destroys], plan: Plan, wanted: Destruction, hooks: Hooks | None
) -> Ending:
    """Remove what is planned, target by target."""
    failed = remove_from(run, targets, plan.targets, "removed", partial(_remove, run, wanted), hooks)
    if wanted.images and not failed:
        # An image that several of the targets used is not needed when the last one of them is gone.
        failed = remove_from(run, targets, plan.targets, "removed", partial(_remove_images, run, wanted))
    total = sum(bool(own.steps) for own in plan.targets)
    if failed:
        return Ending(1, f"{failed} of {total} targets failed")
    return Ending(0, f"{total} of {total} targets removed")


def _targets(run: Run, wanted: Destruction, *, is_selected: bool) -> dict[str, Destroys]:
    """The targets by name, in the order in which they are removed: what needs others first."""
    found: dict[str, Destroys] = {}
    by_name = {target.name: target for target in run.targets}
    order = [
        name for name in run_order({name: target.config.needs for name, target in by_name.items()}) if name in by_name
    ]
    for name in reversed(order):
        target = by_name[name]
        if destroys(target):
            found[name] = target
            if wanted.images and not prunes(target):
                run.emit(Warned(name, f"a {target.kind.name} removes images itself: --rmi is for Docker engines"))
        elif is_selected:
            hint = "remove it with the tools of that place"
            raise UsageError(f"{name} is a {target.kind.name}, which shipit can't destroy", hint=hint)
        else:
            run.emit(Warned(name, f"shipit can't destroy a {target.kind.name}: what is there stays"))
    return found


def _check_named(left: Sequence[Leftover], wanted: Destruction) -> None:
    """That everything that the user names is there. Raises: UsageError."""
    known = [item.name for item in left if item.name]
    if unknown := [name for name in wanted.named if name not in known]:
        hint = f"what can be included: {', '.join(known)}" if known else "nothing has to be included"
        raise UsageError(f"there is no {unknown[0]} to include", hint=hint)


def _plan(run: Run, targets: Mapping[str, Destroys], found: Mapping[str, Any], wanted: Destruction) -> Plan:
    plans = []
    for name, target in targets.items():
        notes = tuple(left.what for left in target.leftovers(found[name], wanted))
        steps = target.plan_destroy(found[name], wanted)
        notes += (*lock_notes(run, target), *hook_lines(target.config.hooks, run.command)) if steps else ()
        plans.append(TargetPlan(name, target.place, (), steps, notes))
    if wanted.images and sum(bool(own.steps) for own in plans) > 1:
        last = max(number for number, own in enumerate(plans) if own.steps)
        plans[last] = plans[last]._replace(notes=(*plans[last].notes, _SHARED))
    return Plan(run.project.app, run.project.environment, (), tuple(plans))


def _remove(run: Run, wanted: Destruction, target: Destroys, plan: TargetPlan) -> str:
    """Apply the steps of one target and look again. Raises: ShipitError."""
    session = run.session(target)
    apply_steps(target, plan.steps, plan.place, session, {})
    after = target.inventory(session)
    if left := target.plan_destroy(after, wanted._replace(images=False)):
        reason = f"{len(left)} steps are left, the first: {left[0].summary}"
        raise DeployFailed(reason, where=target.name, hint="run it again")
    return _said(target.leftovers(after, wanted))


def _remove_images(run: Run, wanted: Destruction, target: Destroys, plan: TargetPlan) -> str:
    """Remove the images that nothing needs now, and nothing else, and look again. Raises: ShipitError."""
    session = run.session(target)
    apply_steps(target, _image_steps(target, target.inventory(session), wanted), plan.place, session, {})
    after = target.inventory(session)
    for kept in target.leftovers(after, wanted):
        if kept.what not in plan.notes:
            run.emit(Warned(target.name, kept.what))
    if left := _image_steps(target, after, wanted):
        raise DeployFailed(f"{left[0].summary}: it is still there", where=target.name, hint="run it again")
    return ""


def _image_steps(target: Destroys, inventory: Any, wanted: Destruction) -> tuple[Step, ...]:
    others = target.plan_destroy(inventory, wanted._replace(images=False))
    return tuple(step for step in target.plan_destroy(inventory, wanted) if step not in others)


def _said(left: Sequence[Leftover]) -> str:
    """The last look in words. `left` is what is still there."""
    if not left:
        return "what shipit made is gone"
    return f"what was to be removed is gone; {'; '.join(item.what for item in left)}"


def _end(run: Run, ending: Ending) -> int:
    run.finish(ending.exit_code, ending.summary)
    return ending.exit_code
