"""The bodies of requests that create containers like another one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipit.http.fields import Field
from shipit.targets.engine.owner import ATTACHED, NUMBER, RUN, Owner
from shipit.targets.remote import Command

# The parts of an inspection that creating a container takes: the rest is about the old container itself.
_CONFIG = (
    "Image",
    "Env",
    "Cmd",
    "Entrypoint",
    "User",
    "WorkingDir",
    "ExposedPorts",
    "StopTimeout",
    "StopSignal",
    "Healthcheck",
    "Tty",
    "Volumes",
)


def copied_body(like: Field, number: int) -> dict[str, Any]:
    """`like` is the answer of GET /containers/{id}/json. The networks and their aliases are the same."""
    config = like["Config"].map()
    # A grace time of 0 is one, too.
    body = {key: config[key] for key in _CONFIG if config.get(key) or (key == "StopTimeout" and config.get(key) == 0)}
    labels = {**like["Config"]["Labels"].texts(), NUMBER: str(number)}
    own = like["Id"].text()[:12]
    # One in the network of another container has the host name of that one, and may not name it.
    has_own_network = not like["HostConfig"]["NetworkMode"].text().startswith("container:")
    if config.get("Hostname") not in (None, "", own) and has_own_network:
        body["Hostname"] = config["Hostname"]
    networks = {
        name: {"Aliases": [alias.text() for alias in network["Aliases"].rows() if alias.text() != own]}
        for name, network in like["NetworkSettings"]["Networks"].items()
    }
    return {
        **body,
        "Labels": labels,
        "HostConfig": _host_config(like["HostConfig"]),
        "NetworkingConfig": {"EndpointsConfig": networks},
    }


def _host_config(found: Field) -> dict[str, Any]:
    """Podman tells limits by the names of the kernel, and takes those of `ulimit`."""
    limits = [
        {**row.map(), "Name": row["Name"].text().removeprefix("RLIMIT_").lower()} for row in found["Ulimits"].rows()
    ]
    return {**found.map(), **({"Ulimits": limits} if limits else {})}


def one_off_body(like: Field, owner: Owner, service: str, command: Command, *, is_detached: bool) -> dict[str, Any]:
    """A container for one command, with the image, variables, volumes, limits and networks of another one.

    It publishes no port, has no alias in its networks, and is not restarted. The command replaces the ENTRYPOINT.
    The engine removes it as it ends, unless it is detached: then its log is of use.
    """
    body = copied_body(like, 0)
    for key in ("Cmd", "ExposedPorts"):
        body.pop(key, None)
    host = {key: value for key, value in body["HostConfig"].items() if key not in ("PortBindings", "AutoRemove")}
    networks = body["NetworkingConfig"]["EndpointsConfig"]
    is_input = command.has_input and not is_detached
    return {
        **body,
        "Entrypoint": list(command.words),
        "Labels": {**owner.labels, RUN: service, **({} if is_detached else {ATTACHED: "true"})},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            **host,
            "RestartPolicy": {"Name": "no"},
            "PublishAllPorts": False,
            "AutoRemove": not is_detached,
        },
        "NetworkingConfig": {"EndpointsConfig": {name: {} for name in networks}},
        "Tty": command.terminal is not None,
        "OpenStdin": is_input,
        "StdinOnce": is_input,
        "AttachStdin": is_input,
        "AttachStdout": not is_detached,
        "AttachStderr": not is_detached,
    }


def without_networks(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The body with one network, and the others with their aliases: older engines create a container in one network only."""
    endpoints = body["NetworkingConfig"]["EndpointsConfig"]
    main = body["HostConfig"].get("NetworkMode")
    first = main if main in endpoints else next(iter(endpoints), "")
    others = {name: own.get("Aliases") or [] for name, own in endpoints.items() if name != first}
    kept = {name: own for name, own in endpoints.items() if name == first}
    return {**body, "NetworkingConfig": {"EndpointsConfig": kept}}, others
