"""Images that the command line names in place of a build: by digest, or by what their repository has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from shipit.config.image import ImageConfig
from shipit.config.project import Project
from shipit.errors import ShipitError, UsageError
from shipit.reference import ImageRef, parse_reference

_EXAMPLE = "for example --image web=docker.io/user/web@sha256:..."


def parse_given(texts: Iterable[str], names: Iterable[str]) -> dict[str, ImageRef]:
    """Name -> reference by digest, of `NAME=REPO@DIGEST`, or `REPO@DIGEST` of the only image. Raises: UsageError."""
    known, found = tuple(names), dict[str, ImageRef]()
    for text in texts:
        name, equals, reference = text.rpartition("=")
        name = name if equals or len(known) != 1 else known[0]
        try:
            ref = parse_reference(reference)
        except ShipitError as error:
            raise UsageError(f"--image {error.what}", hint=error.hint or _EXAMPLE) from None
        if not name or ref.digest is None:
            raise UsageError(f"--image {text!r} should be NAME=REPO@DIGEST", hint=_EXAMPLE)
        if name not in known:
            raise UsageError(
                f"--image {text!r}: there is no image {name}", hint=f"images: {', '.join(known) or 'none'}"
            )
        if found.setdefault(name, ref) != ref:
            raise UsageError(f"--image gives {name} twice", hint="give each image once")
    return found


def with_images(project: Project, given: Mapping[str, ImageRef], *, builds: bool = True) -> Project:
    """The project with existing images in place of those that are built. They get no tags: deploy.yml's are for its own build.

    Without `builds`, every other image with a repository is what the first of its tags names there.
    """
    images = dict(project.images)
    for name, config in project.images.items():
        if name in given:
            ref = given[name]
            images[name] = _used(config, f"{ref.name}@{ref.digest}")
        elif not builds and config.use is None and config.repository is not None:
            images[name] = _used(config, f"{parse_reference(config.repository).name}:{_first_tag(project, name)}")
    return replace(project, images=images, builds=builds)


def _first_tag(project: Project, name: str) -> str:
    tags = project.tags(name)
    if not tags or "{" in tags[0]:
        hint = f"name it: --image {name}=REPO@DIGEST"
        raise UsageError(f"--no-build: the image {name} has no tag to find it by", hint=hint)
    return tags[0]


def _used(config: ImageConfig, reference: str) -> ImageConfig:
    """An image that is used as it is. Plain HTTP is only for the registry that deploy.yml names."""
    own = config.use or config.repository
    is_same = own is not None and parse_reference(own).registry == parse_reference(reference).registry
    return config.model_copy(update={"use": reference, "tags": (), "insecure": config.insecure and is_same})
