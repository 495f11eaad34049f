"""The images of deploy.yml that the services of a compose file run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import NamedTuple, Protocol

from shipit.config.image import BuildConfig, ImageConfig
from shipit.config.project import Project
from shipit.errors import DeployFailed, ShipitError
from shipit.reference import parse_reference


class BuildFacts(NamedTuple):
    """The `build` of a service: absolute paths, and the stage; empty for the last one."""

    context: str
    dockerfile: str
    stage: str = ""


class FileService(Protocol):
    """The keys of a service of a compose file that name its image."""

    @property
    def name(self) -> str: ...

    @property
    def image(self) -> str: ...

    @property
    def build(self) -> BuildFacts | None: ...


def own_images(
    target: str, chosen: Mapping[str, str], project: Project, services: Iterable[FileService]
) -> dict[str, str]:
    """Service -> the name of its image in deploy.yml, by `images:`, its `image`, its `build` or its name, in this order.

    `chosen` is the `images:` of the target: service -> image.

    A service that runs none of them is left out. Raises: DeployFailed for one that has to be built and is none of them,
    and for a service of `images:` that the file does not have.
    """
    named = {service.name: service for service in services}
    if unknown := [name for name in chosen if name not in named]:
        what = f"the compose file has no service {unknown[0]!r}, which images: names"
        raise DeployFailed(what, where=target, hint=f"its services: {', '.join(sorted(named))}")
    found = {name: _image_of(service, chosen, project) for name, service in named.items()}
    for name, service in named.items():
        if service.build and not found[name]:
            what = f"the service {name} has build:, and no image of deploy.yml has this build"
            hint = f"write images: {{{name}: {{repository: REPOSITORY, build: {_shown(service.build, project.root)}}}}}"
            raise DeployFailed(what, where=target, hint=f"{hint} at the top of deploy.yml")
    return {name: image for name, image in found.items() if image}


def _image_of(service: FileService, chosen: Mapping[str, str], project: Project) -> str:
    if service.name in chosen:
        return chosen[service.name]
    by_repository = [name for name, image in project.images.items() if _repository(service.image) == image.repository]
    by_build = [name for name, image in project.images.items() if _has_build(image, service.build, project.root)]
    for names in (by_repository if service.image else [], by_build):
        if len(names) == 1:
            return names[0]
    if service.build is None and service.image:
        # The image of another repository is somebody else's, whatever the name of the service is.
        return ""
    return service.name if service.name in project.images else ""


def _repository(image: str) -> str:
    try:
        return parse_reference(image).name
    except ShipitError:
        return ""


def _has_build(image: ImageConfig, build: BuildFacts | None, root: PurePath) -> bool:
    if build is None or image.use:
        return False
    config = image.build or BuildConfig()
    context = _normal(root / config.context)
    own = (context, _normal(PurePath(context) / config.dockerfile), config.stage or "")
    return own == (_normal(PurePath(build.context)), _normal(PurePath(build.dockerfile)), build.stage)


def _normal(path: PurePath) -> str:
    """The path without `.` and `..`, as Compose writes it; links are not followed."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        elif part != ".":
            parts.append(part)
    return str(PurePath(*parts))


def _shown(build: BuildFacts, root: PurePath) -> str:
    context = PurePath(build.context)
    return str(context.relative_to(root)) if context.is_relative_to(root) else str(context)
