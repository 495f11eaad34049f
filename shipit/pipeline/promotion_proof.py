"""Proves that the images of a promotion are what the source environment runs: by digests, on both sides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from shipit.digest import parse_digest
from shipit.errors import ShipitError, UsageError
from shipit.image.image import BuiltImage, SourceImage
from shipit.reference import parse_reference
from shipit.release import Promotion, PublishedImage
from shipit.targets.history import RunningImage

if TYPE_CHECKING:
    from shipit.delivery.images import Prepared
    from shipit.pipeline.run import Run

# A place may ignore an image that failed before: its attempts have other digests.
_MOST_ATTEMPTS = 20


def prove_images(run: Run, target: str, running: Sequence[RunningImage]) -> tuple[PublishedImage, ...]:
    """The image of each name as its registry has it; a workload with its own command is proved to be made of it.

    Raises: UsageError for what can't be proved; RemoteError.
    """
    found: dict[str, tuple[PublishedImage, BuiltImage]] = {}
    for item in running:
        if item.command is None:
            image, built = _resolved(run, target, item)
            known = found.setdefault(item.image, (image, built))[0]
            if known.config_digest != image.config_digest:
                what = f"{target} runs different images of {item.image}: {known.config_digest.short}"
                hint = f"deploy {target} again in {run.project.environment}"
                raise UsageError(f"{what} and {image.config_digest.short}", hint=hint)
    for item in running:
        if item.command is not None:
            _check_made_of(target, item, found.get(item.image))
    return tuple(image for image, _ in found.values())


def _resolved(run: Run, target: str, item: RunningImage) -> tuple[PublishedImage, BuiltImage]:
    """The image in its registry. Raises: UsageError where that is not what the workload runs."""
    if parse_digest(item.reference):
        what = f"{target} runs the image {item.image}, which was sent to it without a registry"
        raise UsageError(what, hint=f"give {item.image} a repository:, and deploy {target} again")
    ref = parse_reference(item.reference)
    # By its digest it is the same in a mirror; a tag is read where the place reads it.
    source = run.registries.resolve(ref, item.platform, mirrored=ref.digest is not None)
    built = _built(item.image, source, item.platform)
    if not _has_config(built, item.config_digest):
        subject = f"{target}/{item.workload}" if item.workload else target
        what = f"{subject} runs {_short(item.config_digest)}, and {item.reference} is {built.config_digest.short}"
        raise UsageError(what, hint="the image that runs is not in its repository any more: deploy it again")
    name = ref.name if ref.digest is not None else source.ref.name
    digest = ref.digest or source.ref.digest
    return PublishedImage(item.image, item.platform, f"{name}@{digest}", built.config_digest), built


def _check_made_of(target: str, item: RunningImage, known: tuple[PublishedImage, BuiltImage] | None) -> None:
    """Check that a workload with its own command runs that image with this command. Raises: UsageError."""
    subject, hint = f"{target}/{item.workload}", f"run {item.image} in {target} without a command of its own, too"
    if known is None:
        what = f"{subject} runs {item.image} with a command of its own, so its original image is unknown"
        raise UsageError(what, hint=f"{hint}; or promote from a target that runs it as it was built")
    if not any(_has_config(made, item.config_digest) for made in _attempts(known[1], item)):
        what = (
            f"{subject} runs {_short(item.config_digest)}, which is not {known[0].config_digest.short} with its command"
        )
        raise UsageError(what, hint=f"deploy {target} again, so that all of it runs the same image")


def _attempts(built: BuiltImage, item: RunningImage) -> Iterator[BuiltImage]:
    made = built.with_command(item.command)
    return (made.with_attempt(attempt) for attempt in range(_MOST_ATTEMPTS))


def _built(name: str, source: SourceImage, platform: str) -> BuiltImage:
    return BuiltImage(name, source.config, source.layers, platform, "", origin=source.ref)


def _has_config(built: BuiltImage, wanted: str) -> bool:
    """True when the config digest of an image is this one. `wanted` is a whole digest, or its first twelve digits."""
    return built.config_digest == wanted if parse_digest(wanted) else built.config_digest.short == wanted


def _short(digest: str) -> str:
    return digest.rpartition(":")[2][:12]


def check_same_images(promotion: Promotion, names: Collection[str], prepared: Iterable[Prepared]) -> None:
    """Check that the images of these names, as they would be released, are those of the promotion. Raises: ShipitError."""
    wanted = {image.name: image.config_digest for image in promotion.images if image.name in names}
    for item in prepared:
        digest, use = wanted.get(item.use.image), item.use
        # With a command or an attempt it has a config of its own, of the same layers.
        if digest and use.command is None and not use.attempt and item.built.config_digest != digest:
            what = f"{use.image} would be {item.built.config_digest.short} in {use.repository}"
            raise ShipitError(f"{what}, and {promotion.environment} runs {digest.short}", hint="run it again")
