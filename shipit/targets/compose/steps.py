"""The steps of a Compose project, as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from shipit.release import Step


@dataclass(frozen=True, kw_only=True)
class PullImage(Step):
    """Makes the engine pull an image by its digest, unless it has it."""

    type: ClassVar[str] = "compose.pull"

    image: str
    platform: str


@dataclass(frozen=True, kw_only=True)
class SendImage(Step):
    """Sends the engine what it lacks of an image of the release, which is in no registry."""

    type: ClassVar[str] = "compose.send"

    image: str


@dataclass(frozen=True, kw_only=True)
class ComposeUp(Step):
    """Keeps the rendered file, and runs `docker compose up` with it for some services and those that they need.

    `file` is a keyed hash of the rendered file: `is_kept` is whether the engine has it, as that of an earlier release;
    otherwise it is rendered again with `images`: service -> pinned image. `quantities`: service -> its number of containers.
    `stale` are containers that Compose would take for unchanged, and that are not: with one, each of `services` is recreated. `known` are the
    ids of the containers that were there when the plan was made: others are somebody else's.
    """

    type: ClassVar[str] = "compose.up"
    unstable: ClassVar[frozenset[str]] = frozenset(["known"])

    file: str
    is_kept: bool = False
    images: Mapping[str, str]
    platforms: Mapping[str, str]
    services: tuple[str, ...]
    quantities: Mapping[str, int]
    stale: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ScaleServices(Step):
    """Runs `docker compose up` for some services with other numbers of containers, and the kept file that runs."""

    type: ClassVar[str] = "compose.scale"

    file: str
    quantities: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class StopContainers(Step):
    """Stops containers, which are kept to be started again."""

    type: ClassVar[str] = "compose.stop"

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StartContainers(Step):
    """Starts containers that were stopped."""

    type: ClassVar[str] = "compose.start"

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RestartContainers(Step):
    """Restarts containers, one after the other. `at` is when that was asked for."""

    type: ClassVar[str] = "compose.restart"

    names: tuple[str, ...]
    at: str


@dataclass(frozen=True, kw_only=True)
class RemoveService(Step):
    """Removes the containers of a service that left the compose file."""

    type: ClassVar[str] = "compose.remove_service"
    after_healthy: ClassVar[bool] = True

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RemoveProject(Step):
    """Removes the containers and networks of the project, and the records of releases; volumes that the user named, too."""

    type: ClassVar[str] = "compose.remove"

    containers: tuple[str, ...]
    networks: tuple[str, ...]
    volumes: tuple[str, ...] = ()
