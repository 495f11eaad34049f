"""The services that a target should run, by deploy.yml and a release. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from shipit.config.project import Project
from shipit.release import ImageUse, Release
from shipit.targets.engine.container_spec import ContainerSpec, container_spec
from shipit.targets.engine.healthcheck import healthcheck_of, nanoseconds
from shipit.targets.engine.owner import Owner
from shipit.targets.image_uses import image_use
from shipit.targets.swarm.config import RollbackConfig, SwarmConfig, SwarmServiceConfig, UpdateConfig
from shipit.targets.swarm.observed import ServiceFacts
from shipit.targets.swarm.spec import ConfigFile, Placement, SwarmSpec, Update


class WantedService(NamedTuple):
    """One service. `marks`: name -> keyed hash of each variable and secret file. `replicas` is None where it stays."""

    spec: SwarmSpec
    marks: Mapping[str, str]
    replicas: int | None = None

    def is_met_by(self, found: ServiceFacts) -> bool:
        """True when a service has the wanted settings and values, whatever the state of its tasks."""
        is_same = found.spec == self.spec.hash and found.image == self.spec.image and not found.drift
        return is_same and dict(found.marks) == dict(self.marks)

    def has_number(self, found: ServiceFacts) -> bool:
        return found.mode != "replicated" or self.count(found) == found.replicas

    def count(self, found: ServiceFacts) -> int:
        """The number of tasks that it should have: that of the file, or of before it was stopped, or as it is."""
        return self.replicas if self.replicas is not None else found.stopped or found.replicas


class WantedCommand(NamedTuple):
    """The release command: it runs once before the services of a release are updated."""

    spec: SwarmSpec
    marks: Mapping[str, str]
    timeout_s: float


class Services:
    """The services of one target of deploy.yml. `contents`: path of a project's file -> hash of its bytes."""

    def __init__(self, name: str, config: SwarmConfig, project: Project, contents: Mapping[str, str]) -> None:
        self.config = config
        self.project = project
        self.owner = Owner(project.app, project.environment, name)
        self.contents = contents
        # Name -> its keys: the service of keys right under the target is named after the app.
        self.configs = {own or project.app: service for own, service in config.services.items()}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.configs)

    @property
    def declared(self) -> Mapping[str, int | None]:
        """Service -> the number of tasks that a deploy sets; None where it leaves it as it is."""
        return {name: service.replicas for name, service in self.configs.items()}

    @property
    def longest_wait_s(self) -> float:
        """Seconds that Swarm itself may wait between two changes."""
        return max((service.longest_wait_s for service in self.configs.values()), default=0.0)

    @property
    def undecided_s(self) -> float:
        """Seconds that the health check of a task may take until it decides."""
        return max((service.undecided_s for service in self.configs.values()), default=0.0)

    @property
    def has_volumes(self) -> bool:
        return any(service.mounts for service in self.configs.values())

    @property
    def unused(self) -> tuple[str, ...]:
        """Keys of a stack file without an effect in a swarm."""
        return ()

    @property
    def secret_paths(self) -> Mapping[str, str]:
        """Source -> path of each secret that is a file of the project."""
        return {}

    @property
    def secret_variables(self) -> Collection[str]:
        """Variables of services that have the value of a secret under another name."""
        return ()

    def used_images(self) -> Collection[str]:
        """The names of the images of its services."""
        return {self.project.image_name(service.image) for service in self.configs.values()}

    def urls(self, running: Collection[str], host: str) -> Iterator[str]:
        """The ports that services publish over TCP on every node, of those that run."""
        for service, config in self.configs.items():
            if service in running and not config.is_on_nodes:
                for port in config.published:
                    if port.host and port.protocol == "tcp" and (port.port == config.port or config.port is None):
                        yield f"http://{host}" if port.host == 80 else f"http://{host}:{port.host}"

    def uses(self) -> tuple[ImageUse, ...]:
        names = set(self.used_images())
        if self.project.release:
            names.add(self.project.image_name(self.project.release.image))
        return tuple(self._use(name) for name in sorted(names))

    def wanted(self, release: Release, given: Mapping[str, str] | None = None) -> dict[str, WantedService]:
        """Service -> what it should be, in the order of deploy.yml. `given`: source -> keyed hash of each secret that is a file."""
        return {name: self._wanted(name, service, release) for name, service in self.configs.items()}

    def command(self, release: Release) -> WantedCommand | None:
        config = self.project.release
        if config is None:
            return None
        image = release.image(self._use(self.project.image_name(config.image)))
        container = ContainerSpec("release", image.pinned, config.command, restart="no")
        return WantedCommand(SwarmSpec(container, endpoint_mode="dnsrr"), dict(release.marks), config.timeout)

    def _wanted(self, name: str, config: SwarmServiceConfig, release: Release) -> WantedService:
        image = release.image(self._use(self.project.image_name(config.image)))
        files = tuple(name for name in config.secret_files if name in release.marks)
        marks = {key: mark for key, mark in release.marks.items() if key in files or key not in config.env}
        spec = SwarmSpec(
            container_spec(name, config, image.pinned),
            config.mode,
            config.endpoint_mode,
            "host" if config.is_on_nodes else "ingress",
            healthcheck_of(config.healthcheck),
            _update(config.update, config),
            Placement(*(getattr(config.placement, key) for key in Placement._fields)),
            files,
            tuple(ConfigFile(path, file, self.contents[file]) for path, file in config.configs.items()),
            rollback=_update(config.rollback, config) if config.rollback else None,
        )
        return WantedService(spec, marks, config.replicas)

    def _use(self, name: str) -> ImageUse:
        return image_use(self.project, name)


def _update(config: UpdateConfig | RollbackConfig, service: SwarmServiceConfig) -> Update:
    return Update(
        config.order or service.usual_order,
        config.parallelism,
        nanoseconds(config.delay),
        # Swarm takes 0 for its default of five seconds.
        max(1, nanoseconds(config.monitor)),
        config.failure_action,
        config.max_failure_ratio,
    )
