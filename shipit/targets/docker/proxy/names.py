"""Looks whether the proxy finds a container by name: Docker's networks have a DNS server, those of Podman only with another package."""

from __future__ import annotations

from shipit.errors import DeployFailed, RemoteError
from shipit.targets.docker.proxy.files import run_script
from shipit.targets.docker.proxy.observed import ProxyFacts
from shipit.targets.engine.client import HostClient

# The words are the name and the port of a container. Without input, nc ends the connection.
_CONNECT = """timeout 3 nc "$1" "$2" </dev/null 2>&1
echo done"""
# What nc of BusyBox says of a name that has no address, and also when the DNS server does not answer.
_UNKNOWN = "bad address"
_LOOKS, _PAUSE_S = 3, 1.0


def check_name(client: HostClient, proxy: ProxyFacts, dial: str, target: str, network: str) -> None:
    """Raises: DeployFailed where the proxy does not find the container of an address `ID:PORT` by three looks."""
    for look in range(_LOOKS):
        if look:
            client.deadline.sleep(_PAUSE_S, "the proxy to find a container by name")
        if _finds(client, proxy, dial):
            return
    hint = (
        f"shipit destroy {target} (volumes stay); on the host install netavark and aardvark-dns, and set network_backend "
        f"to netavark in containers.conf; shipit deploy then makes the network {network} anew"
    )
    raise DeployFailed(f"the proxy on {client.host} does not find containers by name", where=target, hint=hint)


def _finds(client: HostClient, proxy: ProxyFacts, dial: str) -> bool:
    """True also where it can't be known: the next request to the proxy fails then."""
    try:
        lines = run_script(client, proxy.id, _CONNECT, dial.split(":"))
    except RemoteError:
        return True
    return not any(_UNKNOWN in line for line in lines)
