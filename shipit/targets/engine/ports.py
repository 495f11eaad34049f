"""Connections to ports of the containers of a service, from where its host sees them.

A container's own address is used where the engine runs on this machine, `ssh -W` for an engine behind ssh, and the port that
the host publishes otherwise.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import NamedTuple
from urllib.parse import urlsplit

from shipit.docker.dial import ByteStream
from shipit.docker.tunnel import forwarded, ssh_forward
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.facts import container_address, published_port
from shipit.targets.engine.owner import SERVICE, Owner
from shipit.targets.engine.running import RunningContainer, find_running
from shipit.targets.session import Session

_CONNECT_S = 10.0
# Seconds that a container is used without another look: a browser opens several connections at once.
_KNOWN_S = 0.5


class Way(NamedTuple):
    """The way to a port: through ssh to the host of an address, or directly where `ssh` is empty."""

    host: str
    port: int
    ssh: str = ""

    def connect(self, client: HostClient, where: str) -> ByteStream:
        """Raises: RemoteError."""
        if self.ssh:
            return ByteStream(forwarded(ssh_forward(self.ssh, self.host, self.port), client.engine.variables), where)
        try:
            return ByteStream(socket.create_connection((self.host, self.port), _CONNECT_S), where)
        except OSError as error:
            reason = "no answer in time" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
            raise RemoteError(f"{where}: {reason}", hint="check that the app listens on this port") from None


class ContainerPorts:
    """The ports of a service's containers. Safe to use from several threads."""

    def __init__(self, hosts: Hosts, owner: Owner, service: str, session: Session, label: str = SERVICE) -> None:
        self._label = label
        self._hosts, self._owner, self._service, self._session = hosts, owner, service, session
        self._lock = threading.Lock()
        self._chosen: tuple[float, RunningContainer, Field] | None = None

    def check(self, port: int) -> None:
        """Check that a container runs and that this machine can reach the port. Raises: RemoteError."""
        self._way(port)

    def open(self, port: int) -> ByteStream:
        """A connection to a port. Raises: RemoteError."""
        found, way = self._way(port)
        return way.connect(found.client, f"{found.name}:{port}")

    def _way(self, port: int) -> tuple[RunningContainer, Way]:
        found, answer = self._container()
        parts = urlsplit(found.client.engine.address.host)
        address = container_address(answer["NetworkSettings"])
        if parts.scheme == "ssh" and address:
            return found, Way(address, port, found.client.engine.address.host)
        for row in answer["NetworkSettings"]["Ports"][f"{port}/tcp"].rows():
            if published := published_port(row):
                host = parts.hostname if parts.scheme == "tcp" else _published_address(row)
                ssh = found.client.engine.address.host if parts.scheme == "ssh" else ""
                return found, Way(host or "127.0.0.1", published, ssh)
        if parts.scheme != "tcp" and address:
            return found, Way(address, port)
        what = f"the port {port} of {found.name} can't be reached from this machine"
        raise RemoteError(what, where=found.client.host, hint="publish: the port, or use an ssh:// address")

    def _container(self) -> tuple[RunningContainer, Field]:
        with self._lock:
            now_s = self._session.clock.now()
            if self._chosen is None or now_s - self._chosen[0] > _KNOWN_S:
                found = find_running(self._hosts, self._owner, self._service, self._session, self._label)
                self._chosen = now_s, found, found.read()
            return self._chosen[1:]


def _published_address(row: Field) -> str:
    """The address of its host on which a port is published: the loopback where that is every address."""
    try:
        address = ipaddress.ip_address(row["HostIp"].text())
    except ValueError:
        return "127.0.0.1"
    return "127.0.0.1" if address.is_unspecified else str(address)
