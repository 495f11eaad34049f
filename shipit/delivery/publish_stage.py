"""The publishing stage: all blobs and manifests by digest, then new tags; existing tags are moved after verification."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from shipit.delivery.delivery import Delivery
from shipit.delivery.images import Prepared, delivery_options
from shipit.delivery.publish_image import publish_image, put_tags
from shipit.errors import BuildError, DeployFailed, Interrupted, ShipitError
from shipit.events import StepDone, StepFailed, StepId, StepStarted, Transferred, Warned
from shipit.parallel import together
from shipit.printable import human_bytes
from shipit.reference import parse_reference


def publish_all(delivery: Delivery, items: Iterable[Prepared]) -> None:
    """Publish what repositories lack, in parallel; when all are complete, set the new tags.

    Raises: the failures; no tag names an image of this run then.
    """
    wanted = [item for item in items if not item.is_published]
    missing = {item.image.pinned: item for item in wanted if not item.missing.is_published}
    together({name: partial(_publish, delivery, item) for name, item in missing.items()}, delivery.clock)
    keys = {(item.use.image, item.use.platform) for item in missing.values() if item.built.has_cache}
    together(
        {f"cache {name}": partial(_keep_cache, delivery, name, platform) for name, platform in keys}, delivery.clock
    )
    for item in wanted:
        is_done = item.image.pinned in missing and item.content_tag
        _tag(delivery, item, (tag for tag in item.new_tags if not is_done or tag != item.content_tag))


def _keep_cache(delivery: Delivery, name: str, platform: str) -> None:
    """Store the build cache in the registry, for builds on other machines. A failure is a warning."""
    from shipit.image.build import keep_cache

    step, started = StepId("cache", name, platform=platform), delivery.clock.now()
    options, doing = delivery_options(delivery, name, platform), f"keep the build cache of {name}"
    delivery.emit(StepStarted(step, doing))
    try:
        keep_cache(options, delivery.engine())
    except BuildError as error:
        delivery.emit(StepFailed(step, doing, str(error), delivery.clock.now() - started))
        hint = "docker buildx create --use makes a builder that can"
        delivery.emit(Warned("", f"the build cache of {name} could not be kept ({error}); the deploy goes on. {hint}"))
        return
    summary = f"kept the build cache of {name} as {options.cache}"
    delivery.emit(StepDone(step, summary, delivery.clock.now() - started))


def move_tags(delivery: Delivery, items: Iterable[Prepared]) -> None:
    """Move existing tags to the images that were verified.

    Raises: DeployFailed, before any tag is moved, when somebody else moved one of them since the plan was made.
    """
    moving = [item for item in items if item.moving_tags]
    together({item.image.pinned: partial(_check_tags, delivery, item) for item in moving}, delivery.clock)
    for item in moving:
        step, started = StepId("tag", item.image.pinned), delivery.clock.now()
        summary = f"move {item.image.repository}:{', '.join(item.moving_tags)} to {item.image.manifest_digest.short}"
        delivery.emit(StepStarted(step, summary))
        _tag(delivery, item, item.moving_tags)
        delivery.emit(StepDone(step, summary, delivery.clock.now() - started))


def _check_tags(delivery: Delivery, item: Prepared) -> None:
    """Check that each tag names what it named when the plan was made, or already the new image."""
    ref = parse_reference(item.use.repository)
    client = delivery.registries.client(ref)
    for tag in item.moving_tags:
        now = client.manifest_digest(ref.repository, tag)
        if now not in (item.tags[tag], item.image.manifest_digest, None):
            what = f"someone else moved the tag {tag} to {now.short} during this deploy; it stays there"
            raise DeployFailed(what, where=item.image.repository, hint="deploy again to move it to what runs now")


def _tag(delivery: Delivery, item: Prepared, tags: Iterable[str]) -> None:
    repository = parse_reference(item.use.repository)
    put_tags(delivery.uploads, repository, item.built, item.use.form, item.image.manifest_digest, tags)


def _copy_attached(delivery: Delivery, item: Prepared) -> int:
    """Copy the signatures and SBOMs of an image that is copied as it is, before the image itself; how many there are.

    A run that is killed meanwhile leaves no image without them. A failure is a warning.
    """
    origin, used = item.built.origin, delivery.project.used_image(item.use.image)
    if origin is None or origin.digest != item.image.manifest_digest or used is None:
        return 0
    from shipit.delivery.copy_attached import copy_attached

    asked, target = parse_reference(used).digest, parse_reference(item.use.repository)
    digests = tuple(dict.fromkeys(digest for digest in (origin.digest, asked) if digest))
    try:
        copies = copy_attached(delivery, origin, target, digests)
    except Interrupted:
        raise
    except ShipitError as error:
        what = f"what is attached to {origin} (signatures, SBOMs) is not copied completely: {error}"
        delivery.emit(Warned("", what))
        return 0
    if copies.kept:
        kept = ", ".join(copies.kept)
        delivery.emit(Warned("", f"{target.name} keeps its own {kept}: those of {origin.name} are not copied"))
    if copies.failed:
        failed, others = copies.failed[0], len(copies.failed) - 1
        more = f", and {others} more" if others else ""
        delivery.emit(Warned("", f"of what is attached to {origin} this can't be copied: {failed}{more}"))
    if copies.is_cut:
        what = f"{origin} has more attached to it than shipit copies: the first {len(copies.copied)} are copied"
        delivery.emit(Warned("", what))
    return len(copies.copied)


def _publish(delivery: Delivery, item: Prepared) -> Transferred:
    step, started = StepId("push", item.image.pinned), delivery.clock.now()
    doing = f"push {item.image.repository}"
    delivery.emit(StepStarted(step, doing))
    try:
        repository, own_tag = parse_reference(item.use.repository), item.own_tag
        attached = _copy_attached(delivery, item)
        moved = publish_image(delivery.uploads, item.built, repository, item.use.form, step, own_tag, item.content_tag)
    except Exception as error:
        delivery.emit(StepFailed(step, doing, str(error), delivery.clock.now() - started))
        raise
    parts = [f"{moved.sent} sent ({human_bytes(moved.sent_bytes)})"]
    parts += [f"{count} {name}" for name, count in (("mounted", moved.mounted), ("there", moved.there)) if count]
    parts += [f"{attached} attached"] if attached else []
    summary = f"pushed {item.image.repository}@{item.image.manifest_digest.short}  {', '.join(parts)}"
    delivery.emit(StepDone(step, summary, delivery.clock.now() - started))
    return moved
