"""The networks, volumes, secrets and configs at the top level of a stack file. Pure.

Source: docs.docker.com/reference/compose-file; docker/cli, cli/compose/convert/compose.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from shipit.targets.swarm.spec import NAMESPACE, StackNetwork
from shipit.targets.swarm.stack_node import Fields, Node
from shipit.targets.swarm.stack_places import VolumeFacts

_OUTSIDE = "create it with the docker command, and write external: true"


class GivenFile(NamedTuple):
    """A secret or config of the file: an `external` one by its name in the swarm, or a file of the project."""

    external: str = ""
    file: str = ""


class Top(NamedTuple):
    """`networks`: name in the file -> name in the swarm; `made` are those that the file makes, by that name."""

    networks: Mapping[str, str]
    made: Mapping[str, StackNetwork]
    volumes: Mapping[str, VolumeFacts]
    secrets: Mapping[str, GivenFile]
    configs: Mapping[str, GivenFile]


def read_top(keys: Fields, stack: str) -> Top:
    names: dict[str, str] = {}
    made: dict[str, StackNetwork] = {}
    declared = keys["networks"].items()
    for name, node in {"default": Node(None, keys["networks"].at, keys.of.report), **declared}.items():
        external, network = _network(name, node, stack)
        names[name] = external or (network.name if network else "")
        if network:
            made[network.name] = network
    return Top(
        names,
        made,
        {name: _volume(name, node, stack) for name, node in keys["volumes"].items().items()},
        {name: _given(name, node) for name, node in keys["secrets"].items().items()},
        {name: _given(name, node) for name, node in keys["configs"].items().items()},
    )


def _external(name: str, keys: Fields) -> str:
    """The name in the swarm of what others made; empty for what the file makes."""
    if keys["external"].is_map:
        return keys["external"].fields(("name",))["name"].text(name)
    return keys["name"].text(name) if keys["external"].flag() else ""


def _network(name: str, node: Node, stack: str) -> tuple[str, StackNetwork | None]:
    known = ("attachable", "driver", "driver_opts", "external", "internal", "ipam", "labels", "name")
    keys = node.fields(known, refused={"enable_ipv6": "leave it out"})
    if external := _external(name, keys):
        return external, None
    driver = keys["driver"].text("overlay")
    if driver != "overlay":
        keys["driver"].wrong(f"{driver} can't connect tasks on several nodes", f"leave it out, or {_OUTSIDE}")
    body: dict[str, Any] = {"Driver": "overlay", "Labels": {**keys["labels"].mapping(), NAMESPACE: stack}}
    for key, field in (("attachable", "Attachable"), ("internal", "Internal")):
        if keys[key].flag():
            body[field] = True
    if keys.has("driver_opts"):
        body["Options"] = keys["driver_opts"].mapping()
    if keys.has("ipam"):
        body["IPAM"] = _ipam(keys["ipam"])
    return "", StackNetwork(keys["name"].text(f"{stack}_{name}"), body)


def _ipam(node: Node) -> dict[str, Any]:
    keys = node.fields(("driver", "config"))
    subnets = [{"Subnet": row.fields(("subnet",))["subnet"].text()} for row in keys["config"].rows()]
    return {"Driver": keys["driver"].text("default"), "Config": subnets}


def _volume(name: str, node: Node, stack: str) -> VolumeFacts:
    keys = node.fields(("driver", "driver_opts", "external", "labels", "name"))
    if external := _external(name, keys):
        return VolumeFacts(external, is_external=True)
    driver, options = keys["driver"].text(), keys["driver_opts"].mapping()
    config = {"Name": driver or "local", **({"Options": options} if options else {})}
    own = {"DriverConfig": config} if driver or options else {}
    labels = {**keys["labels"].mapping(), NAMESPACE: stack}
    return VolumeFacts(keys["name"].text(f"{stack}_{name}"), options=own, labels=labels)


def _given(name: str, node: Node) -> GivenFile:
    refused = {
        "driver": _OUTSIDE,
        "driver_opts": _OUTSIDE,
        "template_driver": f"write the text without a template, or {_OUTSIDE}",
        "environment": "a stack has none: name it under secrets: of deploy.yml, and use file: or external: here",
        "content": "a stack has none: write it to a file of the project, and use file:",
    }
    # The name of what is made says its content.
    keys = node.fields(("external", "file", "name"), ("labels",), refused)
    if external := _external(name, keys):
        return GivenFile(external)
    file = keys["file"].text()
    rows = node.items()
    if not file and not any(key in refused or row.has_failed for key, row in rows.items()):
        node.wrong(f"{name} should have file: or external: true")
    return GivenFile(file=file)
