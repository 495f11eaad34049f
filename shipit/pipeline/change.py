"""Commands that change what runs without a deploy: observe, plan, confirm, apply, and judge until it is so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from shipit.errors import Interrupted, ShipitError
from shipit.events import PlanMade, RunFinished, TargetFinished, Warned
from shipit.parallel import settle, together
from shipit.pipeline.confirm import confirm_plan
from shipit.pipeline.prepare import observe_target
from shipit.pipeline.steps import apply_steps
from shipit.pipeline.verdict import await_verdict, verdict_of
from shipit.release import Facts, Plan, Seen, Step, TargetPlan, Verdict

if TYPE_CHECKING:
    from shipit.pipeline.run import Run
    from shipit.targets.base import Target


class Change(NamedTuple):
    """What a command does to one target. `plan` and `judge` are pure, `notes` are lines beside its steps."""

    target: Target
    plan: Callable[[Any], Sequence[Step]]
    judge: Callable[[Any, Seen], Verdict]
    notes: Sequence[str] = ()


def change(run: Run, command: str, changes: Sequence[Change]) -> int:
    """Make the changes to their targets, side by side; the exit code: 0 when every place is as ordered.

    Emits the events of a deploy. Raises: ShipitError, before anything is changed.
    """
    for warning in run.project.warnings:
        run.emit(Warned("", str(warning)))
    names = tuple(item.target.name for item in changes)
    run.announce(command, names)
    looks = {item.target.name: partial(observe_target, run, item.target, is_planning=False) for item in changes}
    observed = together(looks, run.clock)
    plan = Plan(
        run.project.app,
        run.project.environment,
        targets=tuple(_planned(item, observed[item.target.name]) for item in changes),
    )
    run.emit(PlanMade(plan, plan.changes))
    if plan.changes:
        confirm_plan(run, plan)
        run.begin_changes()
    run.begin_stage(is_delivery=False)
    calls = {
        item.target.name: partial(_one_target, run, item, own, observed[item.target.name])
        for item, own in zip(changes, plan.targets, strict=True)
    }
    failed = _count_failed(settle(calls, run.clock))
    total = len(changes)
    if failed:
        summary = f"{failed} of {total} targets failed"
    else:
        # Only what the command is about was judged: other workloads of a target may be in any state.
        summary = f"{'' if plan.changes else 'nothing changed, '}{total} of {total} targets as ordered"
    run.emit(RunFinished(1 if failed else 0, summary, run.clock.now() - run.started_s))
    return 1 if failed else 0


def _planned(item: Change, observed: Any) -> TargetPlan:
    return TargetPlan(item.target.name, item.target.place, (), tuple(item.plan(observed)), tuple(item.notes))


def _count_failed(results: Mapping[str, Any]) -> int:
    for result in results.values():
        if isinstance(result, Exception):
            raise result
    return sum(not is_healthy for is_healthy in results.values())


def _one_target(run: Run, item: Change, own: TargetPlan, before: Any) -> bool:
    """Apply and judge; whether the place is as ordered."""
    target, started = item.target, run.clock.now()
    session = run.session(target, is_planning=False)
    try:
        facts: dict[str, Facts] = {}
        apply_steps(target, own.steps, own.place, session, facts)
        baseline = before if own.steps else None
        verdict, _ = await_verdict(target, item.judge, session, baseline, before, applied=facts)
    except Interrupted:
        raise
    except ShipitError as error:
        verdict = verdict_of(error, target)
        run.emit(TargetFinished(target.name, "failed", run.clock.now() - started, verdict))
        return False
    for warning in verdict.warnings:
        run.emit(Warned(target.name, warning))
    state: Literal["healthy", "unchanged"] = "healthy" if own.steps else "unchanged"
    run.emit(TargetFinished(target.name, state, run.clock.now() - started, verdict))
    return True
