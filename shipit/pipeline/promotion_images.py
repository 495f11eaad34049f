"""The image of each name that a promotion takes: the same wherever the environment runs it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shipit.errors import UsageError
from shipit.release import PromotedRelease, PublishedImage


def choose_images(environment: str, releases: Sequence[PromotedRelease]) -> tuple[PublishedImage, ...]:
    """One image of each name. Raises: UsageError where targets run different images under a name."""
    found: dict[str, dict[str, PublishedImage]] = {}
    for release in releases:
        for image in release.images:
            found.setdefault(image.name, {}).setdefault(release.target, image)
    for name, by_target in found.items():
        if len({(image.platform, image.config_digest) for image in by_target.values()}) > 1:
            said = ", ".join(f"{target} runs {image.config_digest.short}" for target, image in by_target.items())
            hint = f"choose one target: --from {environment}/{next(iter(by_target))}"
            raise UsageError(f"{environment} runs different images of {name}: {said}", hint=hint)
    return tuple(next(iter(by_target.values())) for by_target in found.values())


def check_images(
    environment: str, images: Iterable[PublishedImage], needed: Iterable[tuple[str, str]], own: Iterable[str]
) -> None:
    """Check that there is an image for each target. `needed` are pairs of a target and a name of an image.

    `own` are the images that the environment promoted to has as they are. Raises: UsageError.
    """
    known = {*own, *(image.name for image in images)}
    for target, name in needed:
        if name not in known:
            there = ", ".join(sorted(image.name for image in images)) or "none"
            what = f"{environment} does not run the image {name}, which {target} uses"
            raise UsageError(what, hint=f"images that run there: {there}; deploy {name} there first")
