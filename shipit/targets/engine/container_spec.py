"""The wanted settings of the containers of a service, as every kind on Docker engines has them. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from shipit.digest import parse_digest
from shipit.printable import Name
from shipit.record import to_json
from shipit.targets.engine.container_config import EngineServiceConfig
from shipit.targets.engine.container_values import Publish, Volume, parse_tmpfs
from shipit.targets.engine.healthcheck import Healthcheck
from shipit.targets.engine.kernel_values import Device, Ulimit

# Fields of later versions.
_ADDED_LATER = (
    "aliases", "healthcheck", "dns_search", "group_add", "stop_signal", "pids_limit", "ulimits", "sysctls", "shm_size",
    "devices", "security_opt", "privileged",
)  # fmt: skip


class ContainerSpec(NamedTuple):
    """The settings with which the containers of a service are created. `image` is pinned, or a digest where it is sent to the host. `env` are the variables of the service itself.

    The values of other variables are not part of it: a step has their names and keyed hashes. `secret_files` are names of
    those that are files instead.
    """

    service: Name
    image: Name
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = {}
    publish: tuple[Publish, ...] = ()
    volumes: tuple[Volume, ...] = ()
    networks: tuple[Name, ...] = ()
    memory: int = 0
    nano_cpus: int = 0
    restart: Name = "unless-stopped"
    grace_s: float = 10.0
    user: Name = ""
    workdir: Name = ""
    hostname: Name = ""
    read_only: bool = False
    init: bool = False
    tmpfs: tuple[Name, ...] = ()
    labels: Mapping[str, str] = {}
    cap_add: tuple[Name, ...] = ()
    cap_drop: tuple[Name, ...] = ()
    extra_hosts: tuple[Name, ...] = ()
    dns: tuple[Name, ...] = ()
    secret_files: tuple[Name, ...] = ()
    log_driver: Name = ""
    log_options: Mapping[str, str] = {}
    aliases: tuple[Name, ...] = ()
    healthcheck: Healthcheck | None = None
    dns_search: tuple[Name, ...] = ()
    group_add: tuple[Name, ...] = ()
    stop_signal: Name = ""
    pids_limit: int = 0
    ulimits: Mapping[str, Ulimit] = {}
    sysctls: Mapping[str, str] = {}
    shm_size: int = 0
    devices: tuple[Device, ...] = ()
    security_opt: tuple[Name, ...] = ()
    privileged: bool = False

    @property
    def is_sent(self) -> bool:
        """True when the image is sent to the host, and not pulled by it."""
        return parse_digest(self.image) is not None

    @property
    def hash(self) -> str:
        """Equal for equal settings, on every machine."""
        return hash_of(self.settings)

    @property
    def settings(self) -> object:
        """What is hashed. A field that was added later is part of it when it is set: an upgrade replaces no container.

        One with options of a tmpfs is replaced: earlier versions took them for a part of the path.
        """
        own = to_json(self)
        own["tmpfs"] = [list(parse_tmpfs(text)) if ":" in text else text for text in self.tmpfs]
        return {key: value for key, value in own.items() if value or key not in _ADDED_LATER}

    @property
    def names(self) -> list[str]:
        """The names by which other containers find those of the service."""
        return [*([self.service] if self.service else []), *self.aliases]


def container_spec(name: str, config: EngineServiceConfig, image: str) -> ContainerSpec:
    port = {"PORT": str(config.port)} if config.port is not None else {}
    return ContainerSpec(
        name,
        image,
        config.command,
        config.entrypoint,
        {**port, **{key: value for key, value in config.env.items() if value is not None}},
        config.published,
        config.mounts,
        config.networks,
        config.memory or 0,
        round((config.cpu or 0) * 1e9),
        # With always, an engine that starts again would start the stopped containers that are kept for rollback.
        "unless-stopped" if config.restart == "always" else config.restart,
        config.grace,
        config.user or "",
        config.workdir or "",
        config.hostname or "",
        config.read_only,
        config.init,
        config.tmpfs,
        config.labels,
        config.cap_add,
        config.cap_drop,
        config.extra_hosts,
        config.dns,
        log_driver=config.logging.driver if config.logging else "",
        log_options=config.logging.options if config.logging else {},
        aliases=config.aliases,
        dns_search=config.dns_search,
        group_add=config.group_add,
        stop_signal=config.stop_signal or "",
        pids_limit=config.pids_limit or 0,
        ulimits=config.limits,
        sysctls=config.sysctls,
    )


def hash_of(value: object) -> str:
    """A hash of what has JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
