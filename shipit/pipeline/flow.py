"""The commands plan, push and deploy: from a project to one verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from shipit.delivery.publish_stage import move_tags, publish_all
from shipit.errors import Interrupted, ShipitError, UsageError
from shipit.events import (
    ImagesPushed,
    PlanMade,
    ReleaseRendered,
    RunFinished,
    Serving,
    TargetFinished,
    Warned,
)
from shipit.parallel import settle
from shipit.pipeline.confirm import confirm_plan
from shipit.pipeline.prepare import Preparation, prepare
from shipit.pipeline.removal import RemovalFailed, parted, remove
from shipit.pipeline.rollback import RollbackResult, roll_back
from shipit.pipeline.run import Run
from shipit.pipeline.steps import apply_steps, check_clean
from shipit.pipeline.verdict import await_verdict, verdict_of
from shipit.release import Facts, PublishedImage, Rendered, State, TargetPlan, Verdict, published
from shipit.targets.base import Target, serves
from shipit.targets.verbs import renders

if TYPE_CHECKING:
    from shipit.history.saved_plan import SavedPlan

# For so long after it was made, an observation is judged where nothing was changed.
FRESH_S = 10.0


def plan(run: Run, *, is_deploy: bool = False) -> Preparation:
    """Observe, build and plan, and emit the plan. Writes nothing to any place.

    With `is_deploy` it is the plan of a deploy: what a deploy would refuse is an error.
    """
    _begin(run, "plan")
    if is_deploy:
        check_clean(run.project)
    preparation = prepare(run, is_deploy=is_deploy)
    run.emit(PlanMade(preparation.plan, preparation.plan.changes))
    return preparation


def render(run: Run) -> Rendered:
    """Observe, build and plan for the only target, and emit what would be sent to it. Writes nothing to any place.

    Raises: UsageError for a kind that can't show it.
    """
    [target] = run.targets
    if not renders(target):
        raise UsageError(f"{target.name} can't be rendered: it is a {target.kind.name}")
    _begin(run, "render")
    preparation = prepare(run)
    rendered = target.render(preparation.releases[target.name], preparation.observed[target.name])
    run.emit(ReleaseRendered(rendered))
    return rendered


def push(run: Run) -> Preparation:
    """Publish the images of the chosen targets and move their tags, without releasing."""
    _begin(run, "push")
    run.delivery.background.allow()
    preparation = prepare(run, is_push=True)
    if preparation.plan.publishes:
        run.begin_changes()
    publish_all(run.delivery, preparation.uses.values())
    move_tags(run.delivery, preparation.uses.values())
    run.emit(ImagesPushed(tuple(published(item.image) for item in preparation.uses.values())))
    _end(run, 0, "everything is pushed")
    return preparation


def deploy(run: Run, saved: SavedPlan | None = None) -> int:
    """Deploy and verify the chosen targets; the exit code: 0 when every one runs what was pushed and is healthy.

    With a `saved` plan it does what that says, without a question, or nothing. Raises: ShipitError with what moved since.
    """
    _begin(run, "deploy")
    if saved:
        from shipit.pipeline.promise import check_current, check_kept

        check_current(run, saved)
    run.tell_lost()
    check_clean(run.project)
    if not (saved or run.project.protected or any(target.config.protected for target in run.targets)):
        run.delivery.background.allow()
    preparation = prepare(run, is_push=True, is_deploy=True)
    run.emit(PlanMade(preparation.plan, preparation.plan.changes))
    if saved:
        check_kept(run, saved, preparation)
    if preparation.plan.changes:
        if not saved:
            confirm_plan(run, preparation.plan)
        run.begin_changes()
        run.begin_stage()
        publish_all(run.delivery, preparation.uses.values())
    run.begin_stage(is_delivery=False)
    progress = _Progress()
    failed = _apply_all(run, preparation, progress)
    if not failed:
        run.begin_stage()
        move_tags(run.delivery, preparation.uses.values())
    total = len(preparation.targets)
    if failed:
        _end(run, 1, f"{failed} of {total} targets failed", progress.served(preparation.targets))
        return 1
    unchanged = "nothing changed, " if not preparation.plan.changes else ""
    _end(run, 0, f"{unchanged}{total} of {total} targets healthy", progress.served(preparation.targets))
    return 0


def _begin(run: Run, command: str) -> None:
    run.begin_stage()
    for warning in run.project.warnings:
        run.emit(Warned("", str(warning)))
    run.announce(command)


def _end(run: Run, code: int, summary: str, urls: tuple[Serving, ...] = ()) -> None:
    run.emit(RunFinished(code, summary, run.clock.now() - run.started_s, urls))


class _Progress:
    """The state and the URLs of every finished target; wakes the targets that need them."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.urls: dict[str, tuple[str, ...]] = {}
        self.is_stopped = False
        self.changed = threading.Condition()

    def served(self, names: Iterable[str]) -> tuple[Serving, ...]:
        """The URLs of the targets of these names, in their order."""
        return tuple(Serving(name, url) for name in names for url in self.urls.get(name, ()))

    def finish(self, name: str, state: str, *, stops: bool = False) -> None:
        with self.changed:
            self.states[name] = state
            self.is_stopped = self.is_stopped or stops
            self.changed.notify_all()


def _apply_all(run: Run, preparation: Preparation, progress: _Progress) -> int:
    """Deploy every target once the targets that it needs are healthy; how many failed or were skipped."""
    calls: dict[str, Callable[[], None]] = {
        name: partial(_one_target, run, preparation, target, progress) for name, target in preparation.targets.items()
    }
    for result in settle(calls, run.clock).values():
        if isinstance(result, Exception):
            raise result
    return sum(state in ("failed", "skipped") for state in progress.states.values())


def _one_target(run: Run, preparation: Preparation, target: Target, progress: _Progress) -> None:
    started = run.clock.now()
    applied: dict[str, Facts] = {}
    blocker = _wait_for_needs(run, preparation, target, progress)
    if blocker:
        progress.finish(target.name, "skipped")
        run.emit(TargetFinished(target.name, "skipped", 0.0, Verdict(State.WAITING, blocker)))
        return
    try:
        verdict = _release(run, preparation, target, progress, applied)
    except Interrupted:
        progress.finish(target.name, "failed")
        raise
    except Exception as error:
        progress.finish(target.name, "failed", stops=target.config.on_failure != "continue")
        if not isinstance(error, ShipitError):
            raise
        verdict, is_back = verdict_of(error, target), False
        if target.config.on_failure == "rollback" and not isinstance(error, RemovalFailed):
            back = _rolled_back(run, preparation, target, verdict, applied)
            is_back = back.is_back
            verdict = verdict._replace(reason=verdict.reason + back.said, down="" if is_back else verdict.down)
        elapsed_s, images = run.clock.now() - started, _images(preparation, target)
        run.emit(TargetFinished(target.name, "failed", elapsed_s, verdict, images, is_rolled_back=is_back))
        return
    state: Literal["unchanged", "healthy"] = "unchanged" if _plan_of(preparation, target).is_empty else "healthy"
    progress.finish(target.name, state)
    images = _images(preparation, target)
    run.emit(TargetFinished(target.name, state, run.clock.now() - started, verdict, images))


def _images(preparation: Preparation, target: Target) -> tuple[PublishedImage, ...]:
    return tuple(published(image) for image in preparation.releases[target.name].images)


def _rolled_back(
    run: Run, preparation: Preparation, target: Target, failed: Verdict, applied: Mapping[str, Facts]
) -> RollbackResult:
    """Roll back a failed target, unless somebody else released meanwhile. `applied` is that of `Seen`."""
    if failed.superseded_by:
        return RollbackResult(
            f"; not rolled back: {failed.superseded_by} changed this place since the plan", is_back=False
        )
    place = _plan_of(preparation, target).place
    release = preparation.releases[target.name]
    before = preparation.observed[target.name]
    return roll_back(target, release, place, before, run.session(target, release), applied)


def _wait_for_needs(run: Run, preparation: Preparation, target: Target, progress: _Progress) -> str:
    """Wait for the targets that this one needs; the reason that it can't start, empty for none."""
    needs = [name for name in target.config.needs if name in preparation.targets]
    with progress.changed:
        while any(name not in progress.states for name in needs):
            run.clock.check()
            progress.changed.wait(0.2)
        failed = [name for name in needs if progress.states[name] in ("failed", "skipped")]
        if failed:
            return f"it needs {', '.join(failed)}, which is not healthy"
        if needs and progress.is_stopped:
            return "another target failed"
    return ""


def _plan_of(preparation: Preparation, target: Target) -> TargetPlan:
    return next(plan for plan in preparation.plan.targets if plan.target == target.name)


def _release(
    run: Run, preparation: Preparation, target: Target, progress: _Progress, applied: dict[str, Facts]
) -> Verdict:
    """Apply and verify. What each step reports is added to `applied`, which has it also when a later one fails."""
    release, own = preparation.releases[target.name], _plan_of(preparation, target)
    session, place = run.session(target, release), own.place
    first_steps, last_steps = parted(own.steps)
    apply_steps(target, first_steps, place, session, applied, run.project)
    before: Any = preparation.observed[target.name]
    judge = partial(target.judge, release)
    is_unchanged = not first_steps and not own.uploads
    is_fresh = is_unchanged and run.clock.now() - preparation.looked_s[target.name] < FRESH_S
    baseline, first = None if is_unchanged else before, before if is_fresh else None
    verdict, observed = await_verdict(target, judge, session, baseline, before, first, applied)
    if last_steps:
        verdict, observed = remove(target, last_steps, place, session, run.project, judge, before, applied)
    for warning in verdict.warnings:
        run.emit(Warned(target.name, warning))
    if serves(target):
        progress.urls[target.name] = tuple(target.urls(observed))
    return verdict
