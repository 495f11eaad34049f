"""The wanted containers of a service, and the labels by which shipit finds its own again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.printable import Name
from shipit.targets.engine.container_spec import ContainerSpec, hash_of
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.owner import Owner


class Health(NamedTuple):
    """A path that a container has to answer, and its port there. `publish` is where the host publishes the port, if it does."""

    path: Name
    port: int
    publish: Publish | None = None


def container_name(owner: Owner, spec: ContainerSpec, marks: Mapping[str, str], number: int) -> str:
    """`APP-ENVIRONMENT-SERVICE-NUMBER-VERSION`: the same settings and values have the same version on one machine."""
    version = hash_of([spec.hash, dict(marks), owner.target])[:8]
    return f"{owner.prefix}-{spec.service}-{number}-{version}"


def other_number(name: str, number: int) -> str:
    """The name of another container like the one of a name."""
    head, _, version = name.rpartition("-")
    return f"{head.rpartition('-')[0]}-{number}-{version}"
