"""The steps of a swarm, as data: one class for each change, with all that applying it in another process needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from shipit.release import Step
from shipit.targets.swarm.spec import SwarmSpec


@dataclass(frozen=True, kw_only=True)
class UpdateService(Step):
    """Creates or updates a service.

    `marks`: name -> keyed hash of each variable and secret file, whose value is taken from the session. `known` is the
    fingerprint that the service had when the plan was made, empty where there was none: another one is somebody else's. `name` is that
    of the service in the swarm, where it is the one that `docker stack deploy` gives.
    """

    type: ClassVar[str] = "swarm.update"
    unstable: ClassVar[frozenset[str]] = frozenset(["known"])

    service: str
    spec: SwarmSpec
    marks: Mapping[str, str]
    replicas: int | None = None
    known: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class RestoreService(Step):
    """Brings a service to a spec that the swarm keeps, with the values of then. `kept` is the name of its config."""

    type: ClassVar[str] = "swarm.restore"
    unstable: ClassVar[frozenset[str]] = frozenset(["known"])

    service: str
    kept: str
    known: str = ""


@dataclass(frozen=True, kw_only=True)
class ScaleService(Step):
    """Sets the number of tasks of a replicated service."""

    type: ClassVar[str] = "swarm.scale"

    service: str
    replicas: int


@dataclass(frozen=True, kw_only=True)
class StopService(Step):
    """Ends all tasks of a replicated service, which keeps their number."""

    type: ClassVar[str] = "swarm.stop"

    service: str


@dataclass(frozen=True, kw_only=True)
class StartService(Step):
    """Gives a stopped service its tasks again."""

    type: ClassVar[str] = "swarm.start"

    service: str


@dataclass(frozen=True, kw_only=True)
class RestartService(Step):
    """Replaces all tasks of a service as an update does. `at` is when that was asked for."""

    type: ClassVar[str] = "swarm.restart"

    service: str
    at: str


@dataclass(frozen=True, kw_only=True)
class RemoveService(Step):
    """Removes a service that the release or the rollback does not have."""

    type: ClassVar[str] = "swarm.remove_service"

    service: str


@dataclass(frozen=True, kw_only=True)
class PruneService(RemoveService):
    """Removes a service that left deploy.yml, when the others are healthy."""

    type: ClassVar[str] = "swarm.prune"
    after_healthy: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class RunReleaseCommand(Step):
    """Runs the release command as a job of the swarm, which is removed afterwards.

    `marks`: name -> keyed hash of each variable, whose value is taken from the session.
    """

    type: ClassVar[str] = "swarm.release_command"

    spec: SwarmSpec
    marks: Mapping[str, str]
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class RemoveAll(Step):
    """Removes services, their secrets and configs, the network and the records of releases; volumes that the user named, too."""

    type: ClassVar[str] = "swarm.remove"

    services: tuple[str, ...]
    volumes: tuple[str, ...] = ()
