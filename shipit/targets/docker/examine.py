"""The checks of Docker hosts by `shipit doctor`, and by a deploy before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from shipit.errors import Interrupted, RemoteError, ShipitError
from shipit.http.fields import Field
from shipit.parallel import settle, together
from shipit.release import Finding
from shipit.targets.docker.port_use import Needed, taken_by_containers, taken_by_programs
from shipit.targets.docker.proxy.look import parse_proxy
from shipit.targets.docker.proxy.observed import ProxyFacts
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.free_space import space_findings
from shipit.targets.engine.host_ports import listening_ports
from shipit.targets.engine.owner import Owner
from shipit.targets.session import Session

_OTHER_PORT = "choose another port, with publish: or with http: and https: of proxy:, or stop that container"


def examine(hosts: Hosts, owner: Owner, needed: Needed, session: Session) -> Iterator[Finding]:
    """The findings of each host, which are read side by side."""
    reads = {host: partial(_examine, hosts, host, owner, needed, session) for host in hosts.names}
    for result in settle(reads, session.clock).values():
        if isinstance(result, Interrupted) or (isinstance(result, Exception) and not isinstance(result, ShipitError)):
            raise result
        if isinstance(result, ShipitError):
            yield Finding("failure", "", str(result), result.hint)
        else:
            yield from result
    yield Finding("ok", "", f"the lock and the history are volumes on {hosts.names[0]}")


def check_ports(hosts: Hosts, owner: Owner, needed: Needed, session: Session) -> None:
    """Raises: RemoteError where the container of somebody else has a port that a service or the proxy needs."""
    if needed.is_empty:
        return
    reads = {host: partial(_taken, hosts.client(host, session), owner, needed) for host in hosts.names}
    if taken := [line for lines in together(reads, session.clock).values() for line in lines]:
        raise RemoteError("; ".join(taken), hint=_OTHER_PORT)


def _examine(hosts: Hosts, host: str, owner: Owner, needed: Needed, session: Session) -> list[Finding]:
    client = hosts.client(host, session)
    info = client.info()
    what = f"{host} answers: {client.product} {info['ServerVersion'].text()}, {info['OperatingSystem'].text()}"
    return [
        Finding("ok", "", what),
        *_podman(client),
        *space_findings(client),
        *_ports(client, owner, needed),
    ]


def _podman(client: HostClient) -> Iterator[Finding]:
    """Warnings of what Docker does itself and Podman leaves to others."""
    if client.engine.is_podman:
        what = f"Podman on {client.host} starts no container again after the machine has started, by itself"
        yield Finding("warning", "", what, "on the host: systemctl enable --now podman-restart.service")
        what = f"services on {client.host} find each other by name only with Podman's packages netavark and aardvark-dns, or golang-github-containernetworking-plugin-dnsname"
        yield Finding("warning", "", what, "on the host: install them, before the first deploy makes the network")


def _taken(client: HostClient, owner: Owner, needed: Needed) -> list[str]:
    rows = client.containers()
    return taken_by_containers(client.host, rows, owner, needed.ports(_proxy(rows)))


def _proxy(rows: Iterable[Field]) -> ProxyFacts | None:
    return next((found for row in rows if (found := parse_proxy(row))), None)


def _ports(client: HostClient, owner: Owner, needed: Needed) -> Iterator[Finding]:
    """The findings about the ports that have to be free; programs of the host only where this machine can see them."""
    if needed.is_empty:
        return
    rows, host = client.containers(), client.host
    ports = needed.ports(_proxy(rows))
    taken = taken_by_containers(host, rows, owner, ports)
    yield from (Finding("failure", "", line, _OTHER_PORT) for line in taken)
    if (listening := listening_ports(client)) is None:
        return
    programs = list(taken_by_programs(rows, ports, listening))
    for port in programs:
        what = f"the port {port.host}/{port.protocol} of {host} is taken by a program there"
        yield Finding("failure", "", what, f"on the host: sudo ss -lntup 'sport = :{port.host}' names the program")
    if ports and not taken and not programs:
        shown = ", ".join(f"{port.host}/{port.protocol}" for port in ports)
        yield Finding("ok", "", f"no other container and no program has a port that {host} needs to publish: {shown}")
