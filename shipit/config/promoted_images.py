"""Images of another environment in place of those that are built: a promotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shipit.config.image import ImageConfig
from shipit.config.project import Project
from shipit.reference import parse_reference
from shipit.release import PublishedImage


def with_promoted(project: Project, images: Mapping[str, PublishedImage]) -> Project:
    """The project with images that run in another environment: image -> where that has it, by digest.

    Each image is copied to its repository in this environment, with a tag of its content. It gets none of deploy.yml's
    tags, which are for a build of this work tree. One with `use:` is used from where deploy.yml says, by its digest.
    """
    chosen = {name: image for name, image in images.items() if _is_promoted(project.images.get(name), image)}
    configs = dict(project.images)
    for name, image in chosen.items():
        config = configs[name]
        changed = {"use": image.reference} if config.use else {"tags": _tags(config, image)}
        configs[name] = config.model_copy(update=changed)
    promoted = {name: image.reference for name, image in chosen.items()}
    return replace(project, images=configs, promoted=promoted, builds=False)


def _is_promoted(config: ImageConfig | None, image: PublishedImage) -> bool:
    """True when a promotion replaces the image. One with `use:` from another repository is kept: it is a setting."""
    if config is None:
        return False
    return config.use is None or parse_reference(config.use).name == parse_reference(image.reference).name


def _tags(config: ImageConfig, image: PublishedImage) -> tuple[str, ...]:
    """A tag for a copy: registries may delete what has none. What is in its repository already keeps its tags."""
    if config.repository is None or parse_reference(config.repository).name == parse_reference(image.reference).name:
        return ()
    return (f"sha-{image.config_digest.short}",)
