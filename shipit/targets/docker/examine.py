"""The checks of Docker hosts by `shipit doctor`, and by a deploy before anything is built."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from shipit.errors import Interrupted, RemoteError, ShipitError
from shipit.parallel import settle, together
from shipit.printable import human_bytes
from shipit.release import Finding
from shipit.targets.docker.free_space import free_space
from shipit.targets.docker.parse import parse_foreign
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.owner import Owner
from shipit.targets.session import Session

# An engine needs room for a new image beside the old ones.
_LEAST_FREE = 2 * 1024**3


def examine(hosts: Hosts, owner: Owner, ports: Collection[Publish], session: Session) -> Iterator[Finding]:
    """The findings of each host, which are read side by side. `ports` are those that services publish."""
    found = settle({host: partial(_examine, hosts, host, owner, ports, session) for host in hosts.names}, session.clock)
    for result in found.values():
        if isinstance(result, Interrupted) or (isinstance(result, Exception) and not isinstance(result, ShipitError)):
            raise result
        if isinstance(result, ShipitError):
            yield Finding("failure", "", str(result), result.hint)
        else:
            yield from result
    yield Finding("ok", "", f"the lock and the history are volumes on {hosts.names[0]}")


def check_ports(hosts: Hosts, owner: Owner, ports: Collection[Publish], session: Session) -> None:
    """Raises: RemoteError where the container of somebody else has a port that a service publishes."""
    if not ports:
        return
    reads = {host: partial(_taken, hosts.client(host, session), owner, ports) for host in hosts.names}
    if taken := [line for lines in together(reads, session.clock).values() for line in lines]:
        what = "; ".join(taken)
        raise RemoteError(what, hint="publish another port, or stop that container")


def _examine(hosts: Hosts, host: str, owner: Owner, ports: Collection[Publish], session: Session) -> list[Finding]:
    client = hosts.client(host, session)
    info = client.info()
    what = f"{host} answers: {client.product} {info['ServerVersion'].text()}, {info['OperatingSystem'].text()}"
    taken = _taken(client, owner, ports)
    hint = "publish another port, or stop that container"
    return [
        Finding("ok", "", what),
        *_podman(client),
        *_disk(client),
        *(Finding("failure", "", line, hint) for line in taken),
    ]


def _podman(client: HostClient) -> Iterator[Finding]:
    """Warnings of what Docker does itself and Podman leaves to others."""
    if client.engine.is_podman:
        what = f"Podman on {client.host} starts no container again after the machine has started, by itself"
        yield Finding("warning", "", what, "on the host: systemctl enable --now podman-restart.service")
        what = f"services on {client.host} find each other by name only with Podman's packages netavark and aardvark-dns, or golang-github-containernetworking-plugin-dnsname"
        yield Finding("warning", "", what, "on the host: install them, before the first deploy makes the network")


def _taken(client: HostClient, owner: Owner, ports: Collection[Publish]) -> list[str]:
    """A line for each port that a container of somebody else publishes."""
    wanted = {(port.host, port.protocol) for port in ports if port.host}
    lines = {}
    for row in client.containers() if wanted else ():
        labels = row["Labels"].texts()
        if all(labels.get(name) == value for name, value in owner.labels.items()):
            continue
        other = parse_foreign(row)
        for port in other.ports:
            if (port.host, port.protocol) in wanted:
                lines[port.host, port.protocol] = (
                    f"the port {port.host}/{port.protocol} of {client.host} is taken by the container {other.name}"
                )
    return list(lines.values())


def _disk(client: HostClient) -> Iterator[Finding]:
    """The free space where the engine keeps images, where this machine can ask for it."""
    host, found = client.host, free_space(client)
    if found is None:
        return
    folder, free = found
    said = f"{human_bytes(free)} are free in {folder} of {host}"
    if free < _LEAST_FREE:
        where = "" if host.startswith("unix://") else f" --host {host}"
        yield Finding(
            "warning",
            "",
            said,
            f"docker{where} system df shows what uses it; docker{where} image prune removes unused images",
        )
    else:
        yield Finding("ok", "", said)
