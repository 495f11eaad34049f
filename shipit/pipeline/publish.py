"""The publishing stage: all blobs and manifests by digest, then new tags; existing tags are moved after verification."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from shipit.errors import BuildError, DeployFailed
from shipit.events import StepDone, StepFailed, StepStarted, Transferred, Warned
from shipit.pipeline.images import Prepared, human_bytes, run_options
from shipit.pipeline.parallel import together
from shipit.pipeline.run import Run
from shipit.reference import parse_reference
from shipit.registry.publish import publish_image, put_tags
from shipit.release import short


def publish_all(run: Run, items: Iterable[Prepared]) -> None:
    """Publish what repositories lack, side by side; when every one is complete, place the new tags.

    Raises: the failures; no tag names anything of this run then.
    """
    wanted = [item for item in items if not item.is_published]
    missing = {item.image.pinned: item for item in wanted if not item.missing.is_published}
    together({name: partial(_publish, run, item) for name, item in missing.items()}, run.clock)
    keys = {(item.use.image, item.use.platform) for item in missing.values() if item.built.has_cache}
    together({f"cache {name}": partial(_keep_cache, run, name, platform) for name, platform in keys}, run.clock)
    for item in wanted:
        _tag(run, item, item.new_tags)


def _keep_cache(run: Run, name: str, platform: str) -> None:
    """Keep what a build made for builds on other machines. What it made for this one is safe already."""
    from shipit.image.build import keep_cache

    step, started = f"cache {name} {platform}", run.clock.now()
    options = run_options(run, name, platform)
    run.emit(StepStarted(step, "", f"keep the build cache of {name}"))
    try:
        keep_cache(options, run.engine())
    except BuildError as error:
        run.emit(StepFailed(step, "", str(error), run.clock.now() - started, f"keep the build cache of {name}"))
        hint = "docker buildx create --use makes a builder that can"
        run.emit(Warned("", f"the build cache of {name} could not be kept ({error}); the deploy goes on. {hint}"))
        return
    run.emit(StepDone(step, "", f"kept the build cache of {name} as {options.cache}", run.clock.now() - started))


def move_tags(run: Run, items: Iterable[Prepared]) -> None:
    """Point tags that named something else at what has been verified.

    Raises: DeployFailed, before any is moved, when somebody else moved one of them since the plan was made.
    """
    moving = [item for item in items if item.moving_tags]
    together({item.image.pinned: partial(_check_tags, run, item) for item in moving}, run.clock)
    for item in moving:
        step, started = f"tag {item.image.repository}", run.clock.now()
        summary = f"move {item.image.repository}:{', '.join(item.moving_tags)} to {short(item.image.manifest_digest)}"
        run.emit(StepStarted(step, "", summary))
        _tag(run, item, item.moving_tags)
        run.emit(StepDone(step, "", summary, run.clock.now() - started))


def _check_tags(run: Run, item: Prepared) -> None:
    """That each tag names what it did when the plan was made, or already what it should."""
    ref = parse_reference(item.use.repository)
    client = run.registries.client(ref)
    for tag in item.moving_tags:
        now = client.manifest_digest(ref.repository, tag)
        if now not in (item.tags[tag], item.image.manifest_digest, None):
            what = f"someone else moved the tag {tag} to {short(now)} during this deploy; it stays there"
            raise DeployFailed(what, where=item.image.repository, hint="deploy again to move it to what runs now")


def _tag(run: Run, item: Prepared, tags: Iterable[str]) -> None:
    repository = parse_reference(item.use.repository)
    put_tags(run.uploads, repository, item.built, item.use.form, item.image.manifest_digest, tags)


def _publish(run: Run, item: Prepared) -> Transferred:
    step, started = f"push {item.image.repository}", run.clock.now()
    run.emit(StepStarted(step, "", f"push {item.image.repository}"))
    try:
        repository, own_tag = parse_reference(item.use.repository), item.own_tag
        moved = publish_image(run.uploads, item.built, repository, item.use.form, step, own_tag)
    except Exception as error:
        run.emit(StepFailed(step, "", str(error), run.clock.now() - started, f"push {item.image.repository}"))
        raise
    parts = [f"{moved.sent} sent ({human_bytes(moved.sent_bytes)})"]
    parts += [f"{count} {name}" for name, count in (("mounted", moved.mounted), ("there", moved.there)) if count]
    summary = f"pushed {item.image.repository}@{short(item.image.manifest_digest)}  {', '.join(parts)}"
    run.emit(StepDone(step, "", summary, run.clock.now() - started))
    return moved
