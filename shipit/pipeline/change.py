"""Commands that change what runs without a deploy: observe, plan, confirm, apply, and judge until it is so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from shipit.errors import Interrupted, ShipitError
from shipit.events import PlanMade, TargetFinished, Warned
from shipit.parallel import settle, together
from shipit.past_release import PastRelease
from shipit.pipeline.confirm import confirm_plan
from shipit.pipeline.endings import Ending
from shipit.pipeline.hook_text import hook_lines
from shipit.pipeline.left_record import end_left_record
from shipit.pipeline.lock_notes import lock_notes
from shipit.pipeline.progress import Progress
from shipit.pipeline.recording import begin_record, end_record, record_published_images
from shipit.pipeline.removal import apply_and_verify
from shipit.pipeline.run_hooks import hooks_of, with_hooks
from shipit.pipeline.telling import tell_warnings
from shipit.pipeline.verdict import verdict_of, was_verified
from shipit.release import Plan, Release, Seen, State, Step, TargetPlan, Verdict

if TYPE_CHECKING:
    from shipit.pipeline.hooks import Hooks
    from shipit.pipeline.run import Run
    from shipit.targets.base import Target


class Change(NamedTuple):
    """The change of a command to one target. `plan` and `judge` are pure, `notes` are lines beside its steps.

    `more_notes` gives those that depend on what is observed. `after` are the targets that have to be as ordered first.
    A rollback has what its target recalled, the release that it returns to, and the version that it leaves; `completes_left`
    is whether it completes an earlier rollback that only runs tell of.
    """

    target: Target
    plan: Callable[[Any], Sequence[Step]]
    judge: Callable[[Any, Seen], Verdict]
    notes: Sequence[str] = ()
    more_notes: Callable[[Any], Sequence[str]] = lambda observed: ()
    after: Sequence[str] = ()
    recalled: Any = None
    returns_to: PastRelease | None = None
    leaves: str = ""
    completes_left: bool = False


def change(run: Run, command: str, changes: Sequence[Change]) -> int:
    """Make the changes to their targets, side by side; the exit code: 0 when every place is as ordered.

    Emits the events of a deploy. Raises: ShipitError, before anything is changed.
    """
    announce(run, command, [item.target.name for item in changes])
    # Only what the command is about is judged: other workloads of a target may be in any state.
    return make_changes(run, changes, "as ordered", unchanged="as ordered", hooks=hooks_of(run))


def announce(run: Run, command: str, targets: Sequence[str]) -> None:
    """Emit the warnings about deploy.yml and the start of the run, and wait for others as it may. Raises: Locked."""
    tell_warnings(run.project, run.emit)
    run.announce(command, targets)
    if run.wait_s:
        from shipit.pipeline.lock_wait import await_turn

        await_turn(run)


def make_changes(
    run: Run,
    changes: Sequence[Change],
    end: str,
    *,
    unchanged: str,
    hooks: Hooks | None = None,
    most: int | None = None,
    check: Callable[[Plan], None] | None = None,
) -> int:
    """The same for a run that was announced. `end` says what targets are when all went well, `unchanged` when none changed.

    `hooks` are run around the changes. With `most`, the first target that changes is changed alone, and then so many at once.
    `check` is called with the plan in place of a question.
    """
    plan, observed = plan_changes(run, changes, hooks)
    hooks = hooks if plan.changes else None
    if check is not None:
        check(plan)
    if plan.changes:
        from shipit.pipeline.locks import begin_changes

        if check is None:
            confirm_plan(run, plan)
        begin_changes(run, plan)
    elif any(item.completes_left for item in changes):
        # Nothing is left to do: the next rollback has to know it.
        run.begin_changes()
    change_all = partial(_change_all, run, changes, plan, observed, (end, unchanged), hooks, most)
    ending = with_hooks(run, hooks, plan, change_all)
    run.finish(ending.exit_code, ending.summary)
    return ending.exit_code


def plan_changes(run: Run, changes: Sequence[Change], hooks: Hooks | None = None) -> tuple[Plan, Mapping[str, Any]]:
    """Observe the targets and plan their changes, and emit the plan: it, and what was observed. Writes nothing."""
    looks = {item.target.name: partial(_observe, run, item) for item in changes}
    observed = together(looks, run.clock)
    planned = tuple(_planned(run, item, observed[item.target.name]) for item in changes)
    plan = Plan(run.project.app, run.project.environment, targets=planned)
    if hooks and plan.changes:
        plan = plan._replace(hooks=tuple(hook_lines(run.project.hooks, run.command)))
    run.emit(PlanMade(plan, plan.changes))
    return plan, observed


def _change_all(
    run: Run,
    changes: Sequence[Change],
    plan: Plan,
    observed: Mapping[str, Any],
    ends: tuple[str, str],
    hooks: Hooks | None,
    most: int | None,
) -> Ending:
    run.begin_stage(is_delivery=False)
    order = {item.target.name: bool(item.after) for item in changes}
    changing = {own.target for own in plan.targets if own.steps}
    progress = Progress({name: waits for name, waits in order.items() if name in changing}, most)
    calls = {
        item.target.name: partial(_one_target, run, item, own, observed[item.target.name], progress, hooks)
        for item, own in zip(changes, plan.targets, strict=True)
    }
    for result in settle(calls, run.clock).values():
        if isinstance(result, Exception):
            raise result
    total = len(changes)
    if progress.failed:
        return Ending(1, f"{progress.failed} of {total} targets failed")
    end, unchanged = ends
    if plan.changes and end != unchanged and len(changing) < total:
        return Ending(0, f"{len(changing)} of {total} targets {end}, {total - len(changing)} unchanged")
    if plan.changes:
        return Ending(0, f"{total} of {total} targets {end}")
    return Ending(0, f"nothing changed, {total} of {total} targets {unchanged}")


def _observe(run: Run, item: Change) -> Any:
    is_return = item.recalled is not None
    return item.target.observe(run.session(item.target, is_planning=is_return, recalled=item.recalled))


def _planned(run: Run, item: Change, observed: Any) -> TargetPlan:
    steps, notes = tuple(item.plan(observed)), (*item.notes, *item.more_notes(observed))
    if steps:
        notes += (*lock_notes(run, item.target), *hook_lines(item.target.config.hooks, run.command))
    version = item.returns_to.version if item.returns_to else ""
    return TargetPlan(item.target.name, item.target.place, (), steps, notes, version)


def _one_target(run: Run, item: Change, own: TargetPlan, before: Any, progress: Progress, hooks: Hooks | None) -> None:
    """Apply and judge, once the targets before it are as ordered."""
    target, started = item.target, run.clock.now()
    hooks = hooks if own.steps else None
    if blocker := progress.wait(item.after, run.clock) or progress.start(target.name, run.clock):
        progress.finish(target.name, "skipped")
        run.emit(TargetFinished(target.name, "skipped", 0.0, Verdict(State.WAITING, blocker)))
        return
    record = ended = None
    past = item.returns_to
    images = past.images if past else ()
    try:
        if hooks:
            hooks.before_target(own)
        if past is not None and own.steps:
            release = Release(run.project.app, run.project.environment)
            record = begin_record(run, target, release, before, own.steps, past.version)
        session = run.session(target, is_planning=False, recalled=item.recalled)
        session = replace(session, commit=past.commit if past else "")
        verdict, observed = apply_and_verify(target, own.steps, own.place, session, item.judge, before)
        state: Literal["healthy", "unchanged"] = "healthy" if own.steps else "unchanged"
        version = target.describe(observed).version
        ended = TargetFinished(target.name, state, run.clock.now() - started, verdict, images, version=version)
        ended = ended._replace(rolled_back_to=past.version if past else "")
        # A hook may be killed: what was verified is known before it begins.
        end_record(run, record, "healthy")
        if past is not None and not own.steps:
            nothing = Release(run.project.app, run.project.environment)
            end_left_record(run, target, nothing, before, past.version)
        # A rollback that was stopped after its last change has left no record of it.
        if past is not None and (own.steps or item.completes_left):
            record_published_images(run, target, (), [step.summary for step in own.steps], past.version)
        if hooks:
            hooks.after_target(own, ended)
    except Interrupted:
        progress.finish(target.name, "failed")
        raise
    except Exception as error:
        progress.finish(target.name, "failed", stops=progress.is_limited)
        if not isinstance(error, ShipitError):
            raise
        verdict = verdict_of(error, target)
        end_record(run, record, "healthy" if was_verified(error) else "failed", verdict.reason)
        elapsed_s = run.clock.now() - started
        if ended is not None and was_verified(error):
            ended = ended._replace(state="failed", elapsed_s=elapsed_s, verdict=verdict, release_state="healthy")
        else:
            ended = TargetFinished(target.name, "failed", elapsed_s, verdict, images)
        run.emit(ended)
        if hooks:
            hooks.target_failed(own, ended)
        return
    for warning in verdict.warnings:
        run.emit(Warned(target.name, warning))
    progress.finish(target.name, state)
    run.emit(ended._replace(elapsed_s=run.clock.now() - started))
