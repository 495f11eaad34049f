"""Deletes old images from the repositories of a project, after every place was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from shipit.delivery.stored_images import children
from shipit.errors import RemoteError, ShipitError, UsageError
from shipit.events import ImagesPruned, StepDone, StepFailed, StepId, StepStarted
from shipit.pipeline.confirm import not_confirmed
from shipit.pipeline.images import is_image, read_images
from shipit.pipeline.images_for_rollback import images_for_rollback
from shipit.pipeline.lock_wait import await_turn
from shipit.pipeline.locks import begin_locked
from shipit.pipeline.plan_pruning import plan_pruning
from shipit.pipeline.run import Run
from shipit.pipeline.telling import tell_warnings
from shipit.printable import counted
from shipit.reference import DOCKER_HUB, parse_reference
from shipit.release import CACHE_TAG, Plan, Pruning, StoredImage
from shipit.targets.base import Target

# More tags than that are not read, and then nothing is deleted.
_MOST_TAGS = 2000
_NOT_ALLOWED = (405, 501)


def prune(
    run: Run,
    names: Sequence[str],
    targets: Mapping[str, Target],
    keep: int,
    show: Callable[[Sequence[Pruning]], None],
) -> None:
    """Show what would be deleted, ask, look again, and delete what is still not needed.

    The run's targets that use one of the images are locked from the question on. `targets` are all of deploy.yml, of every
    environment: name for people -> target. `show` is called before the question.
    Raises: UsageError for a no; ShipitError where a place or a repository can't be read, before anything is deleted.
    """
    for name in names:
        _check_host(run.project.images[name].repository or "")
    tell_warnings(run.project, run.emit)
    using = [target for target in run.targets if any(use.image in names for use in target.images())]
    run.announce("prune", [target.name for target in using])
    await_turn(run)
    first = _plan(run, names, targets, keep)
    run.emit(ImagesPruned(first, is_done=False))
    show(run.redactor.value(first))
    count = _images_of(first)
    if not count:
        _end(run, 0)
        return
    what = f"{counted(count, 'image')} of {', '.join(own.repository for own in first if own.removed)} would be deleted for good"
    if not run.confirm(Plan(run.project.app, run.project.environment), [what]):
        raise not_confirmed(what)
    begin_locked(run, using)
    # Somebody may have deployed or tagged one of them meanwhile.
    known = {(own.repository, image.manifest_digest) for own in first for image in own.removed}
    still = [
        (own, image)
        for own in _plan(run, names, targets, keep)
        for image in own.removed
        if (own.repository, image.manifest_digest) in known
    ]
    _end(run, _delete_all(run, still))


def _end(run: Run, count: int) -> None:
    run.finish(0, f"{counted(count, 'image')} deleted" if count else "nothing to delete")


def _delete_all(run: Run, still: Sequence[tuple[Pruning, StoredImage]]) -> int:
    """Delete the images one after the other, and emit those that were deleted, also when one can't be."""
    done: dict[str, Pruning] = {}
    try:
        for own, image in still:
            _delete(run, own.repository, image)
            before = done.get(own.repository, own._replace(removed=()))
            done[own.repository] = before._replace(removed=(*before.removed, image))
    finally:
        run.emit(ImagesPruned(tuple(done.values()), is_done=True))
    return _images_of(done.values())


def _images_of(plans: Iterable[Pruning]) -> int:
    """The number of deleted images, without the records of runs beside them."""
    return sum(not image.is_record for own in plans for image in own.removed)


def _plan(run: Run, names: Sequence[str], targets: Mapping[str, Target], keep: int) -> tuple[Pruning, ...]:
    """What is to be deleted of each repository. Raises: ShipitError where something that could need an image can't be read."""
    listed = read_images(run, names, targets, _MOST_TAGS)
    if listed.unread:
        what = f"nothing is deleted: what runs in {', '.join(listed.unread)} is not known"
        raise ShipitError(what, hint="each target of each environment has to be readable: see the warnings")
    plans, needed = [], images_for_rollback(run, targets)
    for found in listed.repositories:
        if found.left_out or not found.is_whole:
            what = f"nothing is deleted: it has more than {_MOST_TAGS} tags"
            raise ShipitError(what, where=found.repository, hint="delete tags on the pages of the registry first")
        own_tags = {*run.project.tags(found.image), CACHE_TAG}
        records = [image for image in found.images if image.is_record]
        found = found._replace(images=tuple(image for image in found.images if not image.is_record))
        named = children(run.delivery, found.repository, found.images)
        kept = [image.manifest_digest for image in found.images if any(is_image(image, part) for part in needed)]
        plans.append(_with_records(run, plan_pruning(found, keep, own_tags, named, kept), records))
    return tuple(plans)


def _with_records(run: Run, plan: Pruning, records: Sequence[StoredImage]) -> Pruning:
    """The plan with the records of runs whose images are deleted: they go first, since an index keeps what it names."""
    gone = {image.manifest_digest for image in plan.removed}
    own = [record for record in records if gone and children(run.delivery, plan.repository, [record]) & gone]
    return plan._replace(removed=(*own, *plan.removed))


def _check_host(repository: str) -> None:
    """Raises: UsageError for Docker Hub, which deletes tags by an API of its own."""
    if parse_reference(repository).registry == DOCKER_HUB:
        what = "Docker Hub does not delete images by their digest"
        hint = "set keep_tags: N on a registry target: a deploy deletes older tags then"
        raise UsageError(what, where=repository, hint=hint)


def _delete(run: Run, repository: str, image: StoredImage) -> None:
    run.check_lock()
    ref, started = parse_reference(repository), run.clock.now()
    step = StepId("delete", f"{repository}@{image.manifest_digest}")
    shown = f"{repository}@{image.manifest_digest.short}  {', '.join(image.tags)}"
    run.emit(StepStarted(step, f"delete {shown}"))
    try:
        run.registries.client(ref).delete_manifest(ref.repository, image.manifest_digest)
    except ShipitError as error:
        if isinstance(error, RemoteError) and error.status in _NOT_ALLOWED:
            error.hint = "allow deleting in the registry's own configuration, or delete old images there"
        run.emit(StepFailed(step, f"delete {shown}", str(error), run.clock.now() - started))
        raise
    run.emit(StepDone(step, f"deleted {shown}", run.clock.now() - started))
