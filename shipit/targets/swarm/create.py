"""Checks of a target of this kind that need more of the file than its own keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.config.project import Project
from shipit.errors import ConfigError, ShipitError
from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.config import SwarmConfig
from shipit.targets.swarm.contents import LARGEST, content_of
from shipit.targets.swarm.spec import JOB, LONGEST_NAME, service_name


def contents_of(name: str, config: SwarmConfig, project: Project) -> tuple[dict[str, str], list[ConfigError]]:
    """Path of each file under `configs` -> the hash of its bytes, and those that can't be read."""
    contents: dict[str, str] = {}
    problems = []
    for service, keys in config.services.items():
        for path, file in keys.configs.items():
            try:
                data = project.folder.read(file, max_bytes=LARGEST)
            except ShipitError as error:
                problems.append(
                    project.problem(("targets", name, "services", service, "configs", path), f"{file} {error.what}")
                )
                continue
            contents[file] = content_of(data)
            if not data:
                what = f"{file} is empty, and a swarm takes no empty config"
                problems.append(project.problem(("targets", name, "services", service, "configs", path), what))
    return contents, problems


def problems_of(name: str, config: SwarmConfig, project: Project) -> list[ConfigError]:
    return [
        *_images(name, config, project),
        *names_of(name, config.services, project),
        *_secrets(name, config, project),
    ]


def _images(name: str, config: SwarmConfig, project: Project) -> Iterator[ConfigError]:
    names = [service.image for service in config.services.values()]
    for name_or_none in dict.fromkeys([*names, *([project.release.image] if project.release else [])]):
        image = project.image_name(name_or_none)
        found = project.images[image]
        if not found.use and found.repository is None:
            what = f"image {image} has no repository for the nodes to pull from"
            yield project.problem(("targets", name), what, "add repository: to the image")


def names_of(name: str, names: Iterable[str], project: Project) -> Iterator[ConfigError]:
    for service in names:
        if (service or project.app) == JOB and project.release:
            what = "is the name of the job that runs the release command"
            yield project.problem(("targets", name, "services", service), what, "give the service another name")
        full = service_name(Owner(project.app, project.environment, name), service or project.app)
        if len(full) > LONGEST_NAME:
            what = f"the service would be named {full}, which has more than {LONGEST_NAME} characters"
            yield project.problem(("targets", name, "services", service), what, "shorten its name, or app:")


def _secrets(name: str, config: SwarmConfig, project: Project) -> Iterator[ConfigError]:
    known = {*project.secrets_for(name), *project.env}
    for service, keys in config.services.items():
        for index, secret in enumerate(keys.secret_files):
            if secret not in known:
                what = f"{secret} is no secret of the file for this target"
                where = ("targets", name, "services", service, "secret_files", index)
                yield project.problem(where, what, "add it under secrets:")
