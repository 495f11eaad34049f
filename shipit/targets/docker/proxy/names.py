"""Looks whether the proxy finds a container by name: Docker's networks have a DNS server, those of Podman only with another package."""

from __future__ import annotations

from shipit.errors import DeadlinePassed, DeployFailed
from shipit.targets.docker.proxy.labels import NAME
from shipit.targets.docker.proxy.observed import ProxyFacts
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.exec import run_to_end
from shipit.targets.engine.running import RunningContainer

# What nc of BusyBox says of a name that has no address. It may first ask servers that do not answer.
_UNKNOWN, _LOOK_S = "bad address", 20.0
_HINT = "on the host: install netavark and aardvark-dns, and let Podman make its networks anew (podman system reset)"


def check_name(client: HostClient, proxy: ProxyFacts, dial: str, target: str) -> None:
    """Raises: DeployFailed where Podman's proxy does not find the container of an address `ID:PORT`."""
    if client.engine.is_podman and not _finds(client, proxy, *dial.split(":")):
        raise DeployFailed(f"the proxy on {client.host} does not find containers by name", where=target, hint=_HINT)


def _finds(client: HostClient, proxy: ProxyFacts, name: str, port: str) -> bool:
    words = ("sh", "-c", 'nc "$0" "$1" </dev/null', name, port)
    try:
        _, line = run_to_end(RunningContainer(client, proxy.id, NAME), words, client.deadline.within(_LOOK_S))
    except DeadlinePassed:
        # It is connected, and the container does not end the connection.
        client.deadline.check(f"the proxy on {client.host}")
        return True
    return _UNKNOWN not in line
