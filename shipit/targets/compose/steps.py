"""The steps of a Compose project, as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """Sends the engine what it lacks of an image of the release, which is in no registry. `name` is its name there."""

    type: ClassVar[str] = "compose.send"

    image: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class ComposeUp(Step):
    """Keeps the rendered file, and runs `docker compose up` with it for some services and those that they need.

    `file` is a keyed hash of the rendered file: `is_kept` is whether the engine has it, as that of an earlier release;
    otherwise it is rendered again with `images`: service -> pinned image. `quantities`: service -> its number of containers.
    `stale` are containers that Compose would take for unchanged, and that are not: with one, each of `services` is recreated. `known` are the
    ids of the containers that were there when the plan was made: others are somebody else's. `is_alone` is whether the services that they need are
    left as they are; `awaits`: such a service -> the condition in which it has to be before.
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
    is_alone: bool = False
    awaits: Mapping[str, str] = field(default_factory=dict)
    known: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RollService(Step):
    """Starts new containers of a service beside the old ones, and removes those when the new ones are ready.

    `file`, `is_kept`, `images`, `platforms` and `known` are those of `ComposeUp`. `quantity` is the number of new containers. `awaits`: service that has to
    be in a condition before -> the condition. `drain_s` is how long the old ones run on, `before_stop` the command that runs in them first.
    """

    type: ClassVar[str] = "compose.roll"
    unstable: ClassVar[frozenset[str]] = frozenset(["known"])

    file: str
    is_kept: bool = False
    images: Mapping[str, str]
    platforms: Mapping[str, str]
    service: str
    quantity: int
    awaits: Mapping[str, str]
    drain_s: float
    before_stop: tuple[str, ...] = ()
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
    """Restarts the containers of a service, each when the one before is ready. `at` is when that was asked for.

    `file` is the kept file of which one more container serves while an only one restarts; empty where none may run beside it.
    `drain_s` is how long a container runs on before it is restarted or removed while others serve. With `before_stop` and a file
    each container is replaced by one like it, and the command runs in it before.
    """

    type: ClassVar[str] = "compose.restart"

    service: str
    names: tuple[str, ...]
    at: str
    file: str = ""
    drain_s: float = 0.0
    before_stop: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RemoveService(Step):
    """Removes the containers of a service that left the compose file."""

    type: ClassVar[str] = "compose.remove_service"
    after_healthy: ClassVar[bool] = True

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RemoveFirst(RemoveService):
    """Removes the containers of a service that left the compose file, and has a name or port that another one needs."""

    type: ClassVar[str] = "compose.remove_first"
    after_healthy: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class RemoveProject(Step):
    """Removes the containers and networks of the project, and the records of releases; volumes that the user named, too."""

    type: ClassVar[str] = "compose.remove"

    containers: tuple[str, ...]
    networks: tuple[str, ...]
    volumes: tuple[str, ...] = ()
