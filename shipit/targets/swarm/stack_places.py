"""Ports, mounts and networks of a service of a stack file, as the engine takes them. Pure.

Source: docs.docker.com/reference/compose-file/services; docker/cli, cli/compose/convert.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from shipit.targets.swarm.spec import NODE_NETWORKS
from shipit.targets.swarm.stack_node import Node

_PORT = re.compile(
    r"(?:(?P<ip>\d{1,3}(?:\.\d{1,3}){3}|\[[^\]]*\]):)?(?:(?P<published>\d{1,5}(?:-\d{1,5})?)?:)?(?P<target>\d{1,5}(?:-\d{1,5})?)(?:/(?P<protocol>tcp|udp|sctp))?",
    re.IGNORECASE,
)
_PROTOCOLS = ("tcp", "udp", "sctp")
_EVERYWHERE = "Swarm publishes a port on every address of its nodes"
_FOLDER = "write its absolute path on the nodes, or use a config or a volume"


class VolumeFacts(NamedTuple):
    """A volume of the file. `options` are VolumeOptions of its mounts without labels."""

    name: str
    is_external: bool = False
    options: Mapping[str, Any] = {}
    labels: Mapping[str, str] = {}


def read_ports(node: Node) -> list[dict[str, Any]]:
    return [port for row in node.rows() for port in (_long_port(row) if row.is_map else _short_ports(row))]


def _long_port(row: Node) -> Iterator[dict[str, Any]]:
    keys = row.fields(
        ("target", "published", "protocol", "mode"),
        ("name", "app_protocol"),
        {"host_ip": f"leave it out: {_EVERYWHERE}"},
    )
    if not keys.has("target"):
        row.wrong("should have target: the port of the container")
    yield _port(
        keys["target"].whole(most=65535),
        keys["published"].whole(most=65535),
        keys["protocol"].one_of(_PROTOCOLS, "tcp"),
        keys["mode"].one_of(("ingress", "host"), "ingress"),
    )


def _short_ports(row: Node) -> Iterator[dict[str, Any]]:
    match = _PORT.fullmatch(row.text())
    if match is None:
        row.wrong("should be [PUBLISHED:]PORT[/udp]")
        return
    if match["ip"]:
        row.wrong(f"can't have an address: {_EVERYWHERE}", "leave the address out, or use mode: host and a firewall")
    targets = _range(match["target"])
    published = _range(match["published"]) if match["published"] else range(0)
    if (match["published"] and len(targets) != len(published)) or any(port > 65535 for port in (*targets, *published)):
        row.wrong("should be two ranges of the same length, of ports up to 65535")
        return
    for index, target in enumerate(targets):
        yield _port(target, published[index] if published else 0, (match["protocol"] or "tcp").lower(), "ingress")


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), min(int(last or first), 65536) + 1)


def _port(target: int, published: int, protocol: str, mode: str) -> dict[str, Any]:
    own = {"PublishedPort": published} if published else {}
    return {"Protocol": protocol, "TargetPort": target, **own, "PublishMode": mode}


def read_mounts(node: Node, tmpfs: Node, volumes: Mapping[str, VolumeFacts]) -> list[dict[str, Any]]:
    found = [_long_mount(row, volumes) if row.is_map else _short_mount(row, volumes) for row in node.rows()]
    folders = tmpfs.texts()
    if any(":" in folder for folder in folders):
        tmpfs.wrong(
            "can't have options here", "write it under volumes: {type: tmpfs, target: PATH, tmpfs: {size: 64M}}"
        )
    return [*found, *({"Type": "tmpfs", "Target": folder} for folder in folders)]


def _short_mount(row: Node, volumes: Mapping[str, VolumeFacts]) -> dict[str, Any]:
    source, _, rest = row.text().partition(":")
    target, _, options = rest.partition(":")
    if not rest:
        source, target = "", source
    modes = [mode for mode in options.split(",") if mode]
    if unknown := [mode for mode in modes if mode not in ("ro", "rw", "nocopy")]:
        row.wrong(f"{unknown[0]} is no option that a swarm has here", "use ro, rw or nocopy")
    return _mount(row, source, target, "ro" in modes, {"NoCopy": True} if "nocopy" in modes else {}, volumes)


def _long_mount(row: Node, volumes: Mapping[str, VolumeFacts]) -> dict[str, Any]:
    keys = row.fields(("type", "source", "target", "read_only", "bind", "volume", "tmpfs"), ("consistency",))
    kind = keys["type"].one_of(("volume", "bind", "tmpfs"), "volume")
    is_read_only, target = keys["read_only"].flag(), keys["target"].text()
    if kind == "tmpfs":
        size = keys["tmpfs"].fields(("size",))["size"].size()
        return {"Type": "tmpfs", "Target": target, **({"TmpfsOptions": {"SizeBytes": size}} if size else {})}
    options = {"NoCopy": True} if keys["volume"].fields(("nocopy",))["nocopy"].flag() else {}
    found = _mount(row, keys["source"].text(), target, is_read_only, options, volumes, kind)
    propagation = keys["bind"].fields(("propagation",))["propagation"].text()
    return {**found, **({"BindOptions": {"Propagation": propagation}} if propagation else {})}


def _mount(
    row: Node, source: str, target: str, is_read_only: bool, options: Mapping[str, Any],
    volumes: Mapping[str, VolumeFacts], kind: str = "",
) -> dict[str, Any]:  # fmt: skip
    if not target.startswith("/"):
        row.wrong("should have the path of a folder in the container, which begins with /")
    mode = {"ReadOnly": True} if is_read_only else {}
    if kind == "bind" or (not kind and source.startswith((".", "~", "/"))):
        if not source.startswith("/"):
            row.wrong(f"{source or 'the folder'} is relative to this machine, and is on no other node", _FOLDER)
        return {"Type": "bind", "Source": source, "Target": target, **mode}
    found = volumes.get(source)
    if source and found is None:
        row.wrong(f"{source} is no volume of this file", f"add it at the top level: volumes: {{{source}: {{}}}}")
    if found is None or found.is_external:
        own = {"VolumeOptions": dict(options)} if options else {}
        return {"Type": "volume", **({"Source": found.name} if found else {}), "Target": target, **mode, **own}
    labels = {"Labels": dict(found.labels)}
    return {
        "Type": "volume", "Source": found.name, "Target": target, **mode,
        "VolumeOptions": {**found.options, **options, **labels},
    }  # fmt: skip


def read_networks(node: Node, service: str, networks: Mapping[str, str]) -> list[dict[str, Any]]:
    """`networks`: name in the file -> name in the swarm. A service without any joins the default one.

    A network that every node has gives no names.
    """
    rows = {row.text(): row for row in node.rows()} if node.is_list else node.items()
    found = []
    for name, own in (rows or {"default": Node(None, node.at, node.report)}).items():
        if name not in networks:
            own.wrong(f"{name} is no network of this file", f"add it at the top level: networks: {{{name}: {{}}}}")
            continue
        keys = (Node(None, own.at, own.report) if node.is_list else own).fields(("aliases", "driver_opts"))
        options = {"DriverOpts": keys["driver_opts"].mapping()} if keys.has("driver_opts") else {}
        target = networks[name]
        own_name = [] if target in NODE_NETWORKS else [service]
        aliases = list(dict.fromkeys([*own_name, *keys["aliases"].texts()]))
        found.append({"Target": target, **({"Aliases": aliases} if aliases else {}), **options})
    return sorted(found, key=lambda one: str(one["Target"]))
