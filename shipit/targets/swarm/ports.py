"""Connections to ports of the tasks of a service: in the task itself on the node that we talk to, else by a published port."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from shipit.docker.dial import ByteStream
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.engine.ports import Way
from shipit.targets.swarm.look import Reader, find_row

# The bridge by which a node reaches the tasks that it runs.
_BRIDGE = "docker_gwbridge"


class TaskPorts:
    """The ports of a service. Safe to use from several threads."""

    def __init__(self, reader: Reader, service: str) -> None:
        self._reader, self._service = reader, service

    def check(self, port: int) -> None:
        """Check that this machine can reach the port of a task. Raises: RemoteError."""
        self._way(port)

    def open(self, port: int) -> ByteStream:
        """A connection to a port. Raises: RemoteError."""
        return self._way(port).connect(self._reader.client, f"{self._service}:{port}")

    def _way(self, port: int) -> Way:
        client, parts = self._reader.client, urlsplit(self._reader.client.engine.address.host)
        found = self._reader.service(self._service)
        tasks = [one for one in found.tasks if one.state == "running" and one.is_wanted] if found else []
        if not tasks:
            hint = "deploy first: shipit deploy"
            raise RemoteError(f"no task of {self._service} runs", where=client.host, hint=hint)
        ssh = client.engine.address.host if parts.scheme == "ssh" else ""
        if parts.scheme != "tcp":
            bridge = client.network(_BRIDGE)
            for task in sorted(tasks, key=lambda one: one.since, reverse=True):
                if bridge is not None and (address := bridge_address(bridge, task.container)):
                    return Way(address, port, ssh)
        row = find_row(client, self._reader.owner, self._service)
        if row is not None and (published := published_by_swarm(row, port)):
            return Way((parts.hostname if parts.scheme == "tcp" else "") or "127.0.0.1", published, ssh)
        where = ", ".join(f"{one.name} on {one.node}" for one in tasks)
        what = f"the port {port} can't be reached through this engine: {where}"
        raise RemoteError(what, where=client.host, hint="publish: the port, or run a task on the node of the manager")


def bridge_address(bridge: Field, container: str) -> str:
    """The address of a container in the answer of GET /networks/{id}; empty where it has none there."""
    text = bridge["Containers"][container]["IPv4Address"].text() if container else ""
    try:
        return str(ipaddress.IPv4Interface(text).ip)
    except ValueError:
        return ""


def published_by_swarm(row: Field, port: int) -> int:
    """The port of every node that leads to a port of the tasks of a service; 0 for none."""
    for one in row["Endpoint"]["Ports"].rows():
        is_it = one["TargetPort"].whole() == port and one["Protocol"].text() == "tcp"
        if is_it and one["PublishMode"].text() == "ingress" and 0 < one["PublishedPort"].whole() < 65536:
            return one["PublishedPort"].whole()
    return 0
