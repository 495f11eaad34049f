"""The wanted containers of a service, and the labels by which shipit finds its own again. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from shipit.printable import Name
from shipit.record import to_json
from shipit.targets.docker.values import Publish, Volume
from shipit.targets.host_owner import LABEL, Owner

SERVICE, NUMBER, SPEC, VARIABLES = f"{LABEL}.service", f"{LABEL}.number", f"{LABEL}.spec", f"{LABEL}.variables"


class Health(NamedTuple):
    """A path that a container has to answer, and its port there. `publish` is where the host publishes the port, if it does."""

    path: Name
    port: int
    publish: Publish | None = None


class ContainerSpec(NamedTuple):
    """How the containers of a service are created. `image` is pinned. `env` are the variables of the service itself.

    The values of other variables are not part of it: a step has their names and keyed hashes.
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

    @property
    def hash(self) -> str:
        """Equal for equal settings, on every machine."""
        return _hash(to_json(self))


def container_name(owner: Owner, spec: ContainerSpec, marks: Mapping[str, str], number: int) -> str:
    """`APP-ENVIRONMENT-SERVICE-NUMBER-VERSION`: the same settings and values have the same version on one machine."""
    version = _hash([spec.hash, dict(marks), owner.target])[:8]
    return f"{owner.prefix}-{spec.service}-{number}-{version}"


def other_number(name: str, number: int) -> str:
    """The name of another container like the one of a name."""
    head, _, version = name.rpartition("-")
    return f"{head.rpartition('-')[0]}-{number}-{version}"


def _hash(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
