"""The targets of a deploy: each is changed once those that it needs are healthy, verified, and rolled back where it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from shipit.errors import DeployFailed, Interrupted, ShipitError
from shipit.events import TargetFinished, Warned
from shipit.parallel import settle
from shipit.pipeline.left_record import end_left_record
from shipit.pipeline.prepare import Preparation
from shipit.pipeline.progress import Progress
from shipit.pipeline.recording import Record, begin_record, end_record
from shipit.pipeline.removal import parted, remove
from shipit.pipeline.rollback import NOT_ROLLED_BACK, RollbackResult, has_earlier, roll_back
from shipit.pipeline.run import Run
from shipit.pipeline.steps import apply_steps
from shipit.pipeline.take_back import Done, take_back
from shipit.pipeline.verdict import Judge, Standing, await_verdict, verdict_of, version_of, was_verified
from shipit.release import Facts, PublishedImage, State, TargetPlan, Verdict, published
from shipit.targets.base import Target, serves
from shipit.targets.session import Session

if TYPE_CHECKING:
    from shipit.pipeline.hooks import Hooks

# For so long after it was made, an observation is judged where nothing was changed.
_FRESH_S = 10.0


def deploy_targets(run: Run, preparation: Preparation, progress: Progress, hooks: Hooks | None) -> int:
    """Deploy every target once the targets that it needs are healthy; how many failed or were skipped."""
    calls: dict[str, Callable[[], None]] = {
        name: partial(_one_target, run, preparation, target, progress, hooks)
        for name, target in preparation.targets.items()
    }
    for result in settle(calls, run.clock).values():
        if isinstance(result, Exception):
            raise result
    _take_back(run, preparation, progress)
    _tell_failed(run, preparation, progress, hooks)
    return progress.failed


def _tell_failed(run: Run, preparation: Preparation, progress: Progress, hooks: Hooks | None) -> None:
    """Run the hooks for a failure of what was verified: it may have been taken back only now."""
    if hooks is None:
        return
    for ended in run.ended:
        if ended.state == "failed" and ended.target in progress.done:
            hooks.target_failed(_plan_of(preparation, preparation.targets[ended.target]), ended)


def _take_back(run: Run, preparation: Preparation, progress: Progress) -> None:
    """With `rollback: all`, roll back what is done when a target failed that may not fail."""
    failed = [
        name
        for name, state in progress.states.items()
        if state == "failed"
        and preparation.targets[name].config.on_failure != "continue"
        and name not in progress.verified
    ]
    if run.project.rolls_back_all and failed and not run.superseded_by:
        take_back(run, progress.done, failed, lambda name: progress.finish(name, "failed"))


def _one_target(
    run: Run, preparation: Preparation, target: Target, progress: Progress, hooks: Hooks | None = None
) -> None:
    started = run.clock.now()
    if reason := preparation.left.get(target.name):
        progress.finish(target.name, "left")
        run.emit(TargetFinished(target.name, "left", 0.0, Verdict(State.WAITING, reason)))
        return
    blocker = progress.wait((name for name in target.config.needs if name in preparation.targets), run.clock)
    blocker = blocker or progress.start(target.name, run.clock)
    if blocker:
        progress.finish(target.name, "skipped")
        run.emit(TargetFinished(target.name, "skipped", 0.0, Verdict(State.WAITING, blocker)))
        return
    attempt = _Attempt(run, preparation, target, progress, hooks, started)
    try:
        ended = attempt.deploy()
    except Interrupted:
        progress.finish(target.name, "failed")
        raise
    except Exception as error:
        if was_verified(error):
            progress.verified.add(target.name)
            attempt.note_done(verdict_of(error, target).reason)
        progress.finish(target.name, "failed", stops=target.config.on_failure != "continue")
        if not isinstance(error, ShipitError):
            raise
        attempt.end_failed(error)
        return
    attempt.end(ended)


class _Attempt:
    """The deploy of one target, from when nothing blocks it any more."""

    def __init__(
        self,
        run: Run,
        preparation: Preparation,
        target: Target,
        progress: Progress,
        hooks: Hooks | None,
        started_s: float,
    ) -> None:
        self._run = run
        self._preparation = preparation
        self._target = target
        self._progress = progress
        self._plan = _plan_of(preparation, target)
        self._hooks = None if self._plan.is_empty else hooks
        self._started_s = started_s
        self._images = images_of(preparation, target)
        self._record: Record | None = None
        # The facts of each step that was applied, also when a later one failed.
        self._applied: dict[str, Facts] = {}
        self._version = ""

    def deploy(self) -> TargetFinished:
        """Apply, verify and record. Raises: ShipitError."""
        run, target, own = self._run, self._target, self._plan
        release, before = self._preparation.releases[target.name], self._preparation.observed[target.name]
        if self._hooks:
            self._hooks.before_target(own)
        if own.steps:
            self._record = begin_record(run, target, release, before, own.steps, wanted=own.wanted)
        verdict, version = _release(run, self._preparation, target, self._progress, self._applied)
        self._version = version
        state: Literal["unchanged", "healthy"] = "unchanged" if own.is_empty else "healthy"
        ended = TargetFinished(target.name, state, self._elapsed_s(), verdict, self._images, version=version)
        # A hook may be killed: what was verified is known before it begins.
        end_record(run, self._record, "healthy")
        if not own.steps and not run.has_verified(release, target.name):
            end_left_record(run, target, release, before)
        if self._hooks:
            self._hooks.after_target(own, ended)
        return ended

    def end(self, ended: TargetFinished) -> None:
        """Note and emit that it ended well: targets that need it may begin."""
        self.note_done()
        self._progress.finish(self._target.name, "unchanged" if self._plan.is_empty else "healthy")
        self._run.emit(ended._replace(elapsed_s=self._elapsed_s()))

    def note_done(self, but: str = "") -> None:
        """Note what `rollback: all` takes back. `but` is what failed after it was verified."""
        target, preparation = self._target, self._preparation
        if self._plan.steps and self._run.project.rolls_back_all and target.config.on_failure != "continue":
            release, before = preparation.releases[target.name], preparation.observed[target.name]
            self._progress.done[target.name] = Done(
                target, release, self._plan.place, before, self._applied, self._record, self._images, self._version, but
            )

    def end_failed(self, error: ShipitError) -> None:
        """Roll back where that is wanted; record and emit the failure."""
        run, target = self._run, self._target
        verdict, back = verdict_of(error, target), NOT_ROLLED_BACK
        if _rolls_back(run, target) and _may_roll_back(error):
            back = _rolled_back(run, self._preparation, target, error, verdict, self._applied)
            verdict = verdict._replace(reason=verdict.reason + back.said, down="" if back.is_back else verdict.down)
        is_verified = was_verified(error)
        end_record(run, self._record, "healthy" if is_verified else "failed", verdict.reason, back.version)
        version = version_of(error, target) or self._version
        ended = TargetFinished(
            target.name, "failed", self._elapsed_s(), verdict, self._images, back.is_back, back.version, version,
            release_state="healthy" if is_verified else "",
        )  # fmt: skip
        run.emit(ended)
        # What is done may be taken back, and its hooks run after that.
        if self._hooks and target.name not in self._progress.done:
            self._hooks.target_failed(self._plan, ended)
        # It asks the place: last, since somebody waits for the rest.
        if ended.down and not has_earlier(run, target):
            run.without_earlier.add(target.name)

    def _elapsed_s(self) -> float:
        return self._run.clock.now() - self._started_s


def _may_roll_back(error: Exception) -> bool:
    return not isinstance(error, DeployFailed) or error.may_roll_back


def _rolls_back(run: Run, target: Target) -> bool:
    on_failure = target.config.on_failure
    return on_failure == "rollback" or (run.project.rolls_back_all and on_failure != "continue")


def images_of(preparation: Preparation, target: Target) -> tuple[PublishedImage, ...]:
    """The images that a target releases, as they are published."""
    return tuple(published(image) for image in preparation.releases[target.name].images)


def _rolled_back(
    run: Run,
    preparation: Preparation,
    target: Target,
    error: ShipitError,
    failed: Verdict,
    applied: Mapping[str, Facts],
) -> RollbackResult:
    """Roll back a failed target, unless somebody else released or has the lock. `applied` is that of `Seen`."""
    # Only a deploy that fails needs it.
    from shipit.pipeline.lock_errors import LockLost

    if isinstance(error, LockLost):
        return RollbackResult(f"; not rolled back: {error.not_rolled_back}")
    if run.superseded_by:
        return RollbackResult(f"; not rolled back: superseded by {run.superseded_by}")
    if failed.superseded_by:
        return RollbackResult(f"; not rolled back: {failed.superseded_by} changed this place since the plan")
    own = _plan_of(preparation, target)
    if not own.steps:
        # No lock is held for it, and the plan told of no change.
        return RollbackResult("; not rolled back: this deploy did not change it")
    place = own.place
    release = preparation.releases[target.name]
    before = preparation.observed[target.name]
    return roll_back(run, target, release, place, before, applied)


def _checked(
    target: Target,
    judge: Judge,
    session: Session,
    standing: Standing,
    baseline: Any,
    before: Any,
    applied: Mapping[str, Facts],
) -> Standing:
    """The verdict once the checks of deploy.yml are passed: looked at again where they took their time."""
    from shipit.pipeline.check_answers import check_answers

    check_answers(target, session, standing.observed, has_changed=baseline is not None)
    if baseline is None or not any(check.settle for check in target.config.check):
        return standing
    return await_verdict(target, judge, session, baseline, before, applied=applied)


def _plan_of(preparation: Preparation, target: Target) -> TargetPlan:
    return next(plan for plan in preparation.plan.targets if plan.target == target.name)


def _release(
    run: Run, preparation: Preparation, target: Target, progress: Progress, applied: dict[str, Facts]
) -> tuple[Verdict, str]:
    """Apply and verify; the verdict, and the place's name for the release.

    What each step reports is added to `applied`, which has it also when a later one fails.
    """
    release, own = preparation.releases[target.name], _plan_of(preparation, target)
    session, place = run.session(target, release), own.place
    first_steps, last_steps = parted(own.steps)
    apply_steps(target, first_steps, place, session, applied, run.project)
    before: Any = preparation.observed[target.name]
    judge = partial(target.judge, release)
    is_unchanged = not first_steps and not own.uploads
    is_fresh = is_unchanged and run.clock.now() - preparation.looked_s[target.name] < _FRESH_S
    baseline, first = None if is_unchanged else before, before if is_fresh else None
    verdict, observed = await_verdict(target, judge, session, baseline, before, first, applied)
    if target.config.check:
        verdict, observed = _checked(target, judge, session, Standing(verdict, observed), baseline, before, applied)
    if last_steps:
        verdict, observed = remove(target, last_steps, place, session, run.project, judge, before, applied)
    for warning in verdict.warnings:
        run.emit(Warned(target.name, warning))
    if serves(target):
        progress.urls[target.name] = tuple(target.urls(observed))
    return verdict, target.describe(observed).version
