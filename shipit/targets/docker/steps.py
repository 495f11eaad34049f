"""The steps of Docker hosts, as data: one class for each change, with all that applying it in another process needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from shipit.targets.docker.host_step import HostStep
from shipit.targets.docker.proxy.route import RouteSpec
from shipit.targets.docker.spec import Health
from shipit.targets.engine.container_spec import ContainerSpec


@dataclass(frozen=True, kw_only=True)
class PullImage(HostStep):
    """Makes the host pull an image by its digest."""

    type: ClassVar[str] = "docker.pull"

    image: str
    platform: str


@dataclass(frozen=True, kw_only=True)
class SendImage(HostStep):
    """Sends an image to the host without a registry: only what the host lacks. `image` is the digest of its manifest."""

    type: ClassVar[str] = "docker.send"
    # The layers that a host lacks change by themselves: images share them.
    unstable: ClassVar[frozenset[str]] = frozenset(["detail"])

    image: str


@dataclass(frozen=True, kw_only=True)
class RunReleaseCommand(HostStep):
    """Runs the release command in a container of its own, which is removed afterwards.

    `marks`: name -> keyed hash of each variable, whose value is taken from the session.
    """

    type: ClassVar[str] = "docker.release_command"

    name: str
    spec: ContainerSpec
    marks: Mapping[str, str]
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class ReplaceService(HostStep):
    """Creates and starts containers of a service, waits until they are ready, and stops those that run instead.

    `create`: name -> number of containers made from `spec`, or like the container `like` where there is no spec. `start`
    are names of stopped ones, `stop` of those that run. `known` are the ids of the containers that ran when the plan was
    made: others are somebody else's. `marks`: name -> keyed hash of each variable, whose value is taken from the session.
    When a container is not ready, the new ones are removed, and the old ones are started again. With a `route`, the proxy
    leads to the containers `serving` when they are ready, and the old ones are stopped when they answered their requests.
    """

    type: ClassVar[str] = "docker.replace"
    unstable: ClassVar[frozenset[str]] = frozenset(["known"])

    service: str
    spec: ContainerSpec | None = None
    like: str = ""
    marks: Mapping[str, str]
    create: Mapping[str, int]
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    order: str = "start-first"
    health: Health | None = None
    route: RouteSpec | None = None
    serving: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StopService(HostStep):
    """Stops the containers of a service that left deploy.yml; they are kept for rollback."""

    type: ClassVar[str] = "docker.stop"
    after_healthy: ClassVar[bool] = True

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StopContainers(HostStep):
    """Stops containers, which are kept to be started again."""

    type: ClassVar[str] = "docker.stop_containers"

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RestartService(HostStep):
    """Restarts the containers of a service, each when the one before is ready. `at` is when that was asked for.

    With a `route`, the proxy leads to the others meanwhile. `beside` is the name of a container like the only one, with the same
    `number`, which serves while that one restarts, and is removed afterwards; empty where none may run beside it.
    """

    type: ClassVar[str] = "docker.restart"

    service: str
    names: tuple[str, ...]
    at: str
    health: Health | None = None
    route: RouteSpec | None = None
    beside: str = ""
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class RemoveAll(HostStep):
    """Removes containers, the network and the records of releases; volumes that the user named, too."""

    type: ClassVar[str] = "docker.remove"

    containers: tuple[str, ...]
    volumes: tuple[str, ...] = ()
