"""The commands plan, push and deploy: from a project to one verdict."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shipit.clock import Deadline
from shipit.delivery.publish_stage import move_tags, publish_all
from shipit.errors import ShipitError, UsageError
from shipit.events import ImagesPushed, PlanMade, ReleaseRendered, TargetFinished, Warned
from shipit.pipeline.approve import approve_plan, needs_approval
from shipit.pipeline.brought_back import with_brought_back
from shipit.pipeline.changing import moving_targets
from shipit.pipeline.confirm import confirm_plan
from shipit.pipeline.deploy_targets import deploy_targets, images_of
from shipit.pipeline.endings import Ending
from shipit.pipeline.freeze import check_freeze, frozen_at
from shipit.pipeline.prepare import Preparation, check_release_command, prepare
from shipit.pipeline.progress import Progress
from shipit.pipeline.recording import record_published_images
from shipit.pipeline.run import Run
from shipit.pipeline.run_hooks import hooks_of, with_hooks
from shipit.pipeline.shared_key import share_found_key
from shipit.pipeline.steps import check_clean
from shipit.pipeline.telling import tell_warnings
from shipit.release import Rendered, State, Verdict, published
from shipit.targets.history import records_published
from shipit.targets.verbs import renders

if TYPE_CHECKING:
    from shipit.history.saved_plan import SavedPlan
    from shipit.pipeline.hooks import Hooks


def plan(run: Run, *, is_deploy: bool = False) -> Preparation:
    """Observe, build and plan, and emit the plan. Writes nothing to any place.

    With `is_deploy` it is the plan of a deploy: what a deploy would refuse is an error.
    """
    _begin(run, "plan")
    if is_deploy:
        check_clean(run.project)
    preparation = with_brought_back(run, prepare(run, is_deploy=is_deploy))
    preparation = _promoting(run, preparation)
    if frozen := frozen_at(run.project.freeze, run.clock.wall_s()):
        run.emit(Warned("", frozen.said))
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
    hooks = hooks_of(run)
    if not (hooks and hooks.has("before")):
        run.delivery.background.allow()
    preparation = prepare(run, is_push=True)
    if preparation.plan.publishes:
        # Only targets that are registries are locked: a push changes nothing that runs.
        from shipit.pipeline.locks import begin_changes

        begin_changes(run, preparation.plan, records_published)
    else:
        hooks = None
    ending = with_hooks(run, hooks, preparation.plan, partial(_push_all, run, preparation))
    run.finish(ending.exit_code, ending.summary)
    return preparation


def _push_all(run: Run, preparation: Preparation) -> Ending:
    """Publish images and move tags. Raises: ShipitError."""
    publish_all(run.delivery, preparation.uses.values())
    run.check_lock()
    move_tags(run.delivery, preparation.uses.values())
    _record_published(run, preparation)
    pushed = tuple(published(item.image) for item in preparation.uses.values() if item.image.repository)
    run.emit(ImagesPushed(pushed))
    return Ending(0, "everything is pushed" if pushed else "no image has a repository: nothing was pushed")


def deploy(
    run: Run, saved: SavedPlan | None = None, wait_s: float = 0, override: str = "", *, supersedes: bool = False
) -> int:
    """Deploy and verify the chosen targets; the exit code: 0 when every one runs what was pushed and is healthy.

    With a `saved` plan it does what that says, without a question, or nothing. `wait_s` is how long it waits for another
    run that holds a lock, `override` the reason to deploy in a freeze window. With `supersedes` it asks deploys of older commits
    to stop. Raises: ShipitError with what moved since, who
    holds the lock, or until when deploys are frozen.
    """
    run.supersedes = supersedes
    frozen = frozen_at(run.project.freeze, run.clock.wall_s())
    _begin(run, "promote" if run.source else "deploy", override if frozen else "")
    check_freeze(run, override)
    if saved:
        from shipit.pipeline.promise import check_current

        check_current(run, saved)
    else:
        share_found_key(run)
    run.tell_lost()
    check_clean(run.project)
    hooks = hooks_of(run)
    is_asked = (
        saved
        or run.source
        or needs_approval(run)
        or run.project.protected
        or any(target.config.protected for target in run.targets)
    )
    if not is_asked and not (hooks and hooks.has("before")):
        run.delivery.background.allow()
    preparation = _begun(run, saved, wait_s)
    if preparation.plan.changes:
        _check_still_allowed(run, override, saved)
    else:
        hooks = None

    def release() -> Ending:
        if hooks and hooks.has("before"):
            _check_still_allowed(run, override, saved)
        return _release_all(run, preparation, hooks)

    ending = with_hooks(run, hooks, preparation.plan, release)
    if not ending.exit_code and not preparation.plan.changes:
        run.keep_verified(name for name in preparation.targets if name not in preparation.left)
    run.finish(ending.exit_code, ending.summary, ending.urls)
    return ending.exit_code


def _check_still_allowed(run: Run, override: str, saved: SavedPlan | None) -> None:
    """Check what may have changed during the build, a question or a hook. Raises: ShipitError."""
    check_freeze(run, override)
    if saved:
        from shipit.pipeline.promise import check_not_expired

        check_not_expired(run, saved)
    if run.source:
        run.source.check()


def _release_all(run: Run, preparation: Preparation, hooks: Hooks | None) -> Ending:
    """Publish, deploy every target, and move tags. Raises: ShipitError where images or tags could not be published."""
    if preparation.plan.changes:
        run.begin_stage()
        run.check_lock()
        publish_all(run.delivery, preparation.uses.values())
    run.begin_stage(is_delivery=False)
    targets = preparation.targets
    changing = {
        own.target: any(need in targets for need in targets[own.target].config.needs)
        for own in preparation.plan.targets
        if not own.is_empty
    }
    progress = Progress(changing, run.project.max_parallel)
    failed = deploy_targets(run, preparation, progress, hooks)
    if not failed:
        run.begin_stage()
        run.check_lock()
        move_tags(run.delivery, preparation.uses.values())
        _record_published(run, preparation)
    else:
        _tell_unmoved(run, preparation, progress)
    total, urls = len(preparation.targets), progress.served(preparation.targets)
    if failed and (by := run.superseded_by):
        from shipit.pipeline.lock_errors import SUPERSEDED_EXIT

        return Ending(SUPERSEDED_EXIT, f"superseded by {by}", urls)
    if failed:
        return Ending(1, f"{failed} of {total} targets failed", urls)
    unchanged = "nothing changed, " if not preparation.plan.changes else ""
    left = f", {len(preparation.left)} left as rolled back" if preparation.left else ""
    return Ending(0, f"{unchanged}{total - len(preparation.left)} of {total} targets healthy{left}", urls)


def _tell_unmoved(run: Run, preparation: Preparation, progress: Progress) -> None:
    """End registries as not reached whose tags stay because another target failed: the next deploy moves them."""
    moving = moving_targets(preparation.targets.values(), preparation.plan)
    failed = ", ".join(name for name, state in progress.states.items() if state == "failed")
    reason = f"its images are pushed, and its tags were not moved because {failed} failed"
    for name, target in preparation.targets.items():
        if name in moving and progress.states[name] not in ("failed", "skipped"):
            verdict, images = Verdict(State.WAITING, reason), images_of(preparation, target)
            run.emit(TargetFinished(name, "skipped", 0.0, verdict, images))


def _record_published(run: Run, preparation: Preparation) -> None:
    """Record the releases of targets whose images were uploaded, or whose tags were moved."""
    for own in preparation.plan.targets:
        target, uses = preparation.targets[own.target], preparation.targets[own.target].images()
        moved = {use.repository for use in uses}
        moves = [move for move in preparation.plan.tags if move.repository in moved]
        if own.uploads or moves:
            told = [f"push {upload.image}" for upload in own.uploads]
            told += [f"move {move.tag} to {move.after.short}" for move in moves]
            record_published_images(run, target, images_of(preparation, target), told)


def _begun(run: Run, saved: SavedPlan | None, wait_s: float) -> Preparation:
    """The plan, confirmed, with the locks of what it changes. What waited for another run is planned after that."""
    deadline = Deadline.after(run.clock, wait_s)
    while True:
        if run.supersedes:
            from shipit.pipeline.supersede import supersede

            supersede(run, deadline.remaining_s())
        elif wait_s:
            from shipit.pipeline.lock_wait import await_free

            await_free(run, deadline.remaining_s())
        preparation = _confirmed(run, saved)
        if not preparation.plan.changes:
            return preparation
        from shipit.pipeline.lock_errors import Locked
        from shipit.pipeline.locks import begin_changes

        try:
            begin_changes(run, preparation.plan)
        except Locked:
            # Another one that waited was faster.
            if deadline.remaining_s() <= 0 and not run.supersedes:
                raise
        else:
            return preparation


def _confirmed(run: Run, saved: SavedPlan | None) -> Preparation:
    preparation = with_brought_back(run, _prepared(run, is_saved=saved is not None))
    preparation = _promoting(run, preparation)
    run.emit(PlanMade(preparation.plan, preparation.plan.changes))
    if saved:
        from shipit.pipeline.promise import check_kept

        check_kept(run, saved, preparation)
        approve_plan(run, preparation.plan, is_saved=True)
    elif preparation.plan.changes:
        confirm_plan(run, preparation.plan)
    return preparation


def _prepared(run: Run, *, is_saved: bool) -> Preparation:
    """The preparation of a deploy. What others own may be taken over, where a person at the terminal says so."""
    while True:
        try:
            return prepare(run, is_push=True, is_deploy=True)
        except ShipitError as error:
            from shipit.pipeline.take_over import has_taken_over

            if is_saved or not has_taken_over(run, error):
                raise


def _promoting(run: Run, preparation: Preparation) -> Preparation:
    """The same, for a promotion with what it promotes, which is what the plan would release. Raises: ShipitError."""
    if run.source is None:
        return preparation
    from shipit.pipeline.promotion_proof import check_same_images

    check_same_images(run.source.promotion, run.project.promoted, preparation.uses.values())
    return preparation._replace(plan=preparation.plan._replace(promotion=run.source.promotion))


def _begin(run: Run, command: str, override: str = "") -> None:
    run.begin_stage()
    tell_warnings(run.project, run.emit)
    run.announce(command, override=override)
    if command != "push":
        # Before a deploy that supersedes others stops them.
        check_release_command(run)
