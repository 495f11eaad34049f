"""The services that a target should run, by deploy.yml and a release. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Literal, NamedTuple

from shipit.config.project import Project
from shipit.release import ImageUse, Release
from shipit.targets.docker.config import DockerConfig, ServiceConfig
from shipit.targets.docker.observed import ContainerFacts, HostFacts
from shipit.targets.docker.proxy.plan import ProxySpec
from shipit.targets.docker.proxy.route import RouteSpec, owner_prefix
from shipit.targets.docker.spec import Health, container_name
from shipit.targets.engine.container_spec import ContainerSpec, container_spec
from shipit.targets.engine.container_values import Volume
from shipit.targets.engine.healthcheck import healthcheck_of
from shipit.targets.engine.kernel_values import parse_device
from shipit.targets.engine.owner import Owner
from shipit.targets.image_uses import image_use

Order = Literal["start-first", "stop-first"]


class WantedService(NamedTuple):
    """One service. `marks`: name -> keyed hash of each variable that is set from a value. `replicas` is None where it stays."""

    spec: ContainerSpec
    marks: Mapping[str, str]
    replicas: int | None
    order: Order
    health: Health | None = None
    route: RouteSpec | None = None

    def count(self, facts: HostFacts) -> int:
        """The number of containers on a host: as many as run, or ran before the service was stopped, unless deploy.yml says it."""
        there = facts.running(self.spec.service) or facts.stopped_last(self.spec.service)
        return self.replicas or len({found.number for found in there}) or 1

    def is_met_by(self, found: ContainerFacts) -> bool:
        """True when a container has the wanted settings and values, whatever its state."""
        is_same = found.spec == self.spec.hash and found.image == self.spec.image
        return is_same and dict(found.marks) == dict(self.marks)


class WantedCommand(NamedTuple):
    """The release command: it runs once before the services of a release are replaced."""

    spec: ContainerSpec
    marks: Mapping[str, str]
    timeout_s: float


class Services:
    """The services of one target of deploy.yml."""

    def __init__(self, name: str, config: DockerConfig, project: Project) -> None:
        self.config = config
        self.project = project
        self.owner = Owner(project.app, project.environment, name)
        # Name -> its keys: the service of keys right under the target is named after the app.
        self.configs = {own or project.app: service for own, service in config.services.items()}

    def uses(self) -> tuple[ImageUse, ...]:
        names = {self.project.image_name(service.image) for service in self.configs.values()}
        if self.project.release:
            names.add(self.project.image_name(self.project.release.image))
        return tuple(self._use(name) for name in sorted(names))

    def health(self, service: str) -> Health | None:
        config = self.configs.get(service)
        if config is None or not config.health or config.port is None:
            return None
        published = (port for port in config.published if port.port == config.port and port.protocol == "tcp")
        return Health(config.health, config.port, next((port for port in published if port.host), None))

    def routes(self) -> dict[str, RouteSpec]:
        """Service -> its route, of the services that have a host."""
        found = {name: self.route(name) for name in self.configs}
        return {name: route for name, route in found.items() if route}

    def route(self, service: str) -> RouteSpec | None:
        config, proxy = self.configs.get(service), self.config.proxy
        if config is None or not config.host or config.port is None:
            return None
        name = f"{owner_prefix(self.owner)}{service}"
        return RouteSpec(name, service, config.host, config.port, proxy.tls, proxy.drain)

    def proxy(self) -> ProxySpec | None:
        """The proxy that the target needs; None where no service has a host."""
        config = self.config.proxy
        return ProxySpec(config.image, config.ports, frozenset(config.model_fields_set)) if self.routes() else None

    def wanted(self, release: Release) -> dict[str, WantedService]:
        """Service -> what it should be, in the order of deploy.yml."""
        return {name: self._wanted(name, service, release) for name, service in self.configs.items()}

    def command(self, release: Release) -> WantedCommand | None:
        config = self.project.release
        if config is None:
            return None
        image = release.image(self._use(self.project.image_name(config.image)))
        spec = ContainerSpec("", image.pinned, config.command, restart="no")
        return WantedCommand(spec, dict(release.marks), config.timeout)

    def _wanted(self, name: str, config: ServiceConfig, release: Release) -> WantedService:
        image = release.image(self._use(self.project.image_name(config.image)))
        marks = {key: mark for key, mark in release.marks.items() if key not in config.env}
        health, route = self.health(name), self.route(name)
        spec = container_spec(name, config, image.pinned)._replace(
            volumes=tuple(self._mount(volume) for volume in config.mounts),
            secret_files=tuple(sorted(config.secret_files)),
            healthcheck=healthcheck_of(config.healthcheck),
            shm_size=config.shm_size or 0,
            devices=tuple(parse_device(text) for text in config.devices),
            security_opt=config.security_opt,
            privileged=config.privileged,
        )
        return WantedService(spec, marks, config.replicas, config.order, health, route)

    def _mount(self, volume: Volume) -> Volume:
        if not volume.is_relative:
            return volume
        return volume._replace(source=posixpath.normpath(posixpath.join(str(self.project.root), volume.source)))

    def _use(self, name: str) -> ImageUse:
        is_sent = self.config.load or self.project.images[name].repository is None
        return image_use(self.project, name, is_sent=is_sent)


def names_of(owner: Owner, wanted: WantedService, facts: HostFacts) -> dict[str, int]:
    """Name -> number of the containers of a service that should run on a host: those that run already keep their names.

    A stopped one that was created with the same settings and values is used again.
    """
    found: dict[str, int] = {}
    for number in range(1, wanted.count(facts) + 1):
        alike = [
            one
            for one in facts.containers
            if one.service == wanted.spec.service and one.number == number and wanted.is_met_by(one)
        ]
        alike.sort(key=lambda one: (not one.is_running, one.name))
        own = container_name(owner, wanted.spec, wanted.marks, number)
        found[alike[0].name if alike else own] = number
    return found
