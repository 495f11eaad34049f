"""The body of the request that creates a container like another one. Pure."""

from __future__ import annotations

from typing import Any

from shipit.http.fields import Field
from shipit.targets.docker.spec import NUMBER

# What the engine takes from the answer of an inspection: the rest is about the container itself.
_CONFIG = (
    "Image",
    "Env",
    "Cmd",
    "Entrypoint",
    "User",
    "WorkingDir",
    "ExposedPorts",
    "StopTimeout",
    "Healthcheck",
    "Tty",
)


def copied_body(like: Field, number: int) -> dict[str, Any]:
    """`like` is the answer of GET /containers/{id}/json. The networks and their aliases are the same."""
    config = like["Config"].map()
    body = {key: config[key] for key in _CONFIG if config.get(key)}
    labels = {**like["Config"]["Labels"].texts(), NUMBER: str(number)}
    own = like["Id"].text()[:12]
    networks = {
        name: {"Aliases": [alias.text() for alias in network["Aliases"].rows() if alias.text() != own]}
        for name, network in like["NetworkSettings"]["Networks"].items()
    }
    return {
        **body,
        "Labels": labels,
        "HostConfig": dict(like["HostConfig"].map()),
        "NetworkingConfig": {"EndpointsConfig": networks},
    }
