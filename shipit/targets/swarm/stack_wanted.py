"""The services that a target should run, by its stack file and a release. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath

from shipit.config.project import Project
from shipit.errors import ConfigError
from shipit.release import Release
from shipit.targets.engine.container_spec import ContainerSpec
from shipit.targets.engine.own_images import BuildFacts, own_images
from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.config import SwarmConfig
from shipit.targets.swarm.spec import StackPart, SwarmSpec
from shipit.targets.swarm.stack_file import StackFile
from shipit.targets.swarm.stack_service import StackService
from shipit.targets.swarm.wanted import Services, WantedCommand, WantedService


class StackServices(Services):
    """The services of one target whose `file` is a stack file."""

    def __init__(self, name: str, config: SwarmConfig, project: Project, file: StackFile) -> None:
        super().__init__(name, config, project, {})
        self.file = file
        shown = [_Shown(service, project.root) for service in file.services.values()]
        # Service -> the image of deploy.yml that it runs.
        self.own = own_images(name, config.images, project, shown)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.file.services)

    @property
    def declared(self) -> Mapping[str, int | None]:
        return {name: service.deploy.replicas for name, service in self.file.services.items()}

    @property
    def longest_wait_s(self) -> float:
        return max((service.longest_wait_s for service in self.file.services.values()), default=0.0)

    @property
    def undecided_s(self) -> float:
        return max((service.undecided_s for service in self.file.services.values()), default=0.0)

    @property
    def has_volumes(self) -> bool:
        return any(_container(service).get("Mounts") for service in self.file.services.values())

    @property
    def unused(self) -> tuple[str, ...]:
        return self.file.unused

    @property
    def secret_paths(self) -> Mapping[str, str]:
        return {one.source: one.file for service in self.file.services.values() for one in service.secrets}

    @property
    def secret_variables(self) -> Collection[str]:
        return {name for service in self.file.services.values() for name in service.environment.sources}

    def used_images(self) -> Collection[str]:
        return set(self.own.values())

    def urls(self, running: Collection[str], host: str) -> Iterator[str]:
        for name in self.file.services:
            for port in self.file.services[name].body["EndpointSpec"]["Ports"] if name in running else ():
                if port["Protocol"] == "tcp" and port["PublishMode"] == "ingress" and port.get("PublishedPort"):
                    number = port["PublishedPort"]
                    yield f"http://{host}" if number == 80 else f"http://{host}:{number}"

    def wanted(self, release: Release, given: Mapping[str, str] | None = None) -> dict[str, WantedService]:
        return {name: self._stack_wanted(service, release, given or {}) for name, service in self.file.services.items()}

    def command(self, release: Release) -> WantedCommand | None:
        """In the networks that the stack makes."""
        found = super().command(release)
        if found is None:
            return None
        made = {one.name: one for service in self.file.services.values() for one in service.networks}
        task = {
            "ContainerSpec": {"Labels": {}, "Args": list(found.spec.container.command or ())},
            "RestartPolicy": {"Condition": "none"},
            "Networks": [{"Target": name} for name in sorted(made)],
        }
        body = {"Labels": {}, "TaskTemplate": task, "EndpointSpec": {"Mode": "dnsrr"}}
        stack = StackPart(body, networks=tuple(made[name] for name in sorted(made)))
        return found._replace(spec=found.spec._replace(stack=stack))

    def _stack_wanted(self, found: StackService, release: Release, given: Mapping[str, str]) -> WantedService:
        image = found.image
        if found.name in self.own:
            image = release.image(self._use(self.own[found.name])).pinned
        container = ContainerSpec(found.name, image, env=found.environment.values)
        sources = {**found.environment.sources, **{one.name: one.source for one in found.secrets}}
        known = {**release.marks, **given}
        marks = {name: known[source] for name, source in sources.items() if source in known}
        spec = SwarmSpec(
            container,
            found.deploy.mode,
            found.deploy.endpoint_mode,
            update=found.deploy.update,
            secret_files=tuple(one.name for one in found.secrets),
            configs=found.configs,
            stack=StackPart(
                found.body, found.environment.sources, found.secrets, found.networks, found.deploy.rollback
            ),
        )
        return WantedService(spec, marks, found.deploy.replicas)


class _Shown:
    """The keys of a service that name its image, for the choice of an image of deploy.yml."""

    def __init__(self, service: StackService, root: PurePath) -> None:
        self.name, self.image = service.name, service.image
        self.build = _build(service, root)


def _build(service: StackService, root: PurePath) -> BuildFacts | None:
    node = service.build
    if node.is_missing:
        return None
    if node.is_scalar:
        context, file, stage = node.text("."), "", ""
    else:
        items = node.items()
        context, file, stage = (
            items[key].text() if key in items else "" for key in ("context", "dockerfile", "target")
        )
    folder = root / (context or ".")
    return BuildFacts(str(folder), str(folder / (file or "Dockerfile")), stage)


def _container(service: StackService) -> Mapping[str, object]:
    found: Mapping[str, object] = service.body["TaskTemplate"]["ContainerSpec"]
    return found


def stack_name(owner: Owner, config: SwarmConfig) -> str:
    """The beginning of the names of the volumes and networks of a stack."""
    return config.stack or owner.prefix


def problems_in_stack(services: StackServices) -> list[ConfigError]:
    """Images that the nodes could not pull."""
    project, found = services.project, []
    for image in sorted(services.used_images()):
        if not project.images[image].use and project.images[image].repository is None:
            what = f"image {image} has no repository for the nodes to pull from"
            found.append(project.problem(("targets", services.owner.target), what, "add repository: to the image"))
    return found
