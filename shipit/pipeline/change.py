"""Commands that change what runs without a deploy: observe, plan, confirm, apply, and judge until it is so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from shipit.errors import Interrupted, ShipitError
from shipit.events import PlanMade, TargetFinished, Warned
from shipit.parallel import settle, together
from shipit.past_release import PastRelease
from shipit.pipeline.confirm import confirm_plan
from shipit.pipeline.progress import Progress
from shipit.pipeline.recording import begin_record, end_record, record_published_images
from shipit.pipeline.removal import apply_and_verify
from shipit.pipeline.verdict import verdict_of
from shipit.release import Plan, Release, Seen, State, Step, TargetPlan, Verdict

if TYPE_CHECKING:
    from shipit.pipeline.run import Run
    from shipit.targets.base import Target


class Change(NamedTuple):
    """The change of a command to one target. `plan` and `judge` are pure, `notes` are lines beside its steps.

    `more_notes` gives those that depend on what is observed. `after` are the targets that have to be as ordered first.
    A rollback has what its target recalled, and the release that it returns to.
    """

    target: Target
    plan: Callable[[Any], Sequence[Step]]
    judge: Callable[[Any, Seen], Verdict]
    notes: Sequence[str] = ()
    more_notes: Callable[[Any], Sequence[str]] = lambda observed: ()
    after: Sequence[str] = ()
    recalled: Any = None
    returns_to: PastRelease | None = None


def change(run: Run, command: str, changes: Sequence[Change]) -> int:
    """Make the changes to their targets, side by side; the exit code: 0 when every place is as ordered.

    Emits the events of a deploy. Raises: ShipitError, before anything is changed.
    """
    announce(run, command, [item.target.name for item in changes])
    # Only what the command is about is judged: other workloads of a target may be in any state.
    return make_changes(run, changes, "as ordered", unchanged="as ordered")


def announce(run: Run, command: str, targets: Sequence[str]) -> None:
    """Emit the warnings about deploy.yml and the start of the run, and wait for others as it may. Raises: Locked."""
    for warning in run.project.warnings:
        run.emit(Warned("", str(warning)))
    run.announce(command, targets)
    if run.wait_s:
        from shipit.pipeline.locks import await_turn

        await_turn(run)


def make_changes(run: Run, changes: Sequence[Change], end: str, *, unchanged: str) -> int:
    """The same for a run that was announced. `end` says what targets are when all went well, `unchanged` when none changed."""
    looks = {item.target.name: partial(_observe, run, item) for item in changes}
    observed = together(looks, run.clock)
    plan = Plan(
        run.project.app,
        run.project.environment,
        targets=tuple(_planned(item, observed[item.target.name]) for item in changes),
    )
    run.emit(PlanMade(plan, plan.changes))
    if plan.changes:
        from shipit.pipeline.locks import begin_changes

        confirm_plan(run, plan)
        begin_changes(run, plan)
    run.begin_stage(is_delivery=False)
    progress = Progress()
    calls = {
        item.target.name: partial(_one_target, run, item, own, observed[item.target.name], progress)
        for item, own in zip(changes, plan.targets, strict=True)
    }
    for result in settle(calls, run.clock).values():
        if isinstance(result, Exception):
            raise result
    total = len(changes)
    if progress.failed:
        summary = f"{progress.failed} of {total} targets failed"
    elif plan.changes:
        summary = f"{total} of {total} targets {end}"
    else:
        summary = f"nothing changed, {total} of {total} targets {unchanged}"
    run.finish(1 if progress.failed else 0, summary)
    return 1 if progress.failed else 0


def _observe(run: Run, item: Change) -> Any:
    is_return = item.recalled is not None
    return item.target.observe(run.session(item.target, is_planning=is_return, recalled=item.recalled))


def _planned(item: Change, observed: Any) -> TargetPlan:
    notes = (*item.notes, *item.more_notes(observed))
    return TargetPlan(item.target.name, item.target.place, (), tuple(item.plan(observed)), notes)


def _one_target(run: Run, item: Change, own: TargetPlan, before: Any, progress: Progress) -> None:
    """Apply and judge, once the targets before it are as ordered."""
    target, started = item.target, run.clock.now()
    if blocker := progress.wait(item.after, run.clock):
        progress.finish(target.name, "skipped")
        run.emit(TargetFinished(target.name, "skipped", 0.0, Verdict(State.WAITING, blocker)))
        return
    record = None
    past = item.returns_to
    if past is not None and own.steps:
        release = Release(run.project.app, run.project.environment)
        record = begin_record(run, target, release, before, own.steps, past.version)
    images = past.images if past else ()
    try:
        session = run.session(target, is_planning=False, recalled=item.recalled)
        verdict, observed = apply_and_verify(target, own.steps, own.place, session, item.judge, before)
    except Interrupted:
        progress.finish(target.name, "failed")
        raise
    except Exception as error:
        progress.finish(target.name, "failed")
        if not isinstance(error, ShipitError):
            raise
        verdict = verdict_of(error, target)
        end_record(run, record, "failed", verdict.reason)
        run.emit(TargetFinished(target.name, "failed", run.clock.now() - started, verdict, images))
        return
    for warning in verdict.warnings:
        run.emit(Warned(target.name, warning))
    end_record(run, record, "healthy")
    if past is not None and own.steps:
        record_published_images(run, target, (), [step.summary for step in own.steps], past.version)
    state: Literal["healthy", "unchanged"] = "healthy" if own.steps else "unchanged"
    progress.finish(target.name, state)
    version = target.describe(observed).version
    run.emit(TargetFinished(target.name, state, run.clock.now() - started, verdict, images, version=version))
