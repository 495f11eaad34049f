"""Removes from the places of a run what neither what runs there nor a rollback needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from shipit.errors import DeployFailed, UsageError
from shipit.events import PlanMade
from shipit.parallel import together
from shipit.pipeline.confirm import not_confirmed
from shipit.pipeline.lock_wait import await_turn
from shipit.pipeline.locks import begin_changes
from shipit.pipeline.remove_from import remove_from
from shipit.pipeline.run import Run
from shipit.pipeline.steps import apply_steps
from shipit.pipeline.telling import tell_warnings
from shipit.release import Plan, TargetPlan
from shipit.targets.verbs import Prunes, prunes


def prune_places(run: Run, *, is_selected: bool) -> int:
    """Show what nothing needs, ask, remove it under the locks of the targets, and look again; the exit code.

    `is_selected` is whether the user named the targets: one that keeps no stock is an error then, and is left out else.
    Raises: UsageError for a no; ShipitError where a place can't be read, before anything is removed.
    """
    targets = _targets(run, is_selected=is_selected)
    tell_warnings(run.project, run.emit)
    run.announce("prune", list(targets))
    await_turn(run)
    found = together({name: partial(target.stock, run.session(target)) for name, target in targets.items()}, run.clock)
    plans = [
        TargetPlan(name, target.place, (), target.plan_prune(found[name]), tuple(target.prune_notes(found[name])))
        for name, target in targets.items()
    ]
    plan = Plan(run.project.app, run.project.environment, (), tuple(plans))
    run.emit(PlanMade(plan, plan.changes))
    if not plan.changes:
        return _end(run, 0, "nothing to remove")
    changing = [own for own in plan.targets if own.steps]
    what = "; ".join(f"{own.target}: {step.summary}" for own in changing for step in own.steps)
    if not run.confirm(plan, [what]):
        raise not_confirmed(what)
    begin_changes(run, plan)
    failed = remove_from(run, targets, changing, "pruned", partial(_prune, run))
    if failed:
        return _end(run, 1, f"{failed} of {len(changing)} targets failed")
    return _end(run, 0, f"{len(changing)} of {len(changing)} targets pruned")


def _targets(run: Run, *, is_selected: bool) -> Mapping[str, Prunes]:
    found: dict[str, Prunes] = {}
    for target in run.targets:
        if prunes(target):
            found[target.name] = target
        elif is_selected:
            hint = "shipit prune --keep N deletes images from repositories"
            raise UsageError(f"{target.name} is a {target.kind.name}, which keeps nothing to prune", hint=hint)
    if not found:
        hint = "shipit prune --keep 20 for the images of repositories, or shipit prune --cache"
        raise UsageError("no target is on a Docker engine, and how many images stay is missing", hint=hint)
    return found


def _prune(run: Run, target: Prunes, plan: TargetPlan) -> str:
    """Apply the steps of one target and look again. Raises: ShipitError."""
    session = run.session(target)
    apply_steps(target, plan.steps, plan.place, session, {})
    if left := target.plan_prune(target.stock(session)):
        reason = f"{left[0].summary}: it is still there, or new"
        raise DeployFailed(reason, where=target.name, hint="run it again")
    return "what nothing needs is gone"


def _end(run: Run, code: int, summary: str) -> int:
    run.finish(code, summary)
    return code
