"""Reads the proxy of a host."""

from __future__ import annotations

from collections.abc import Sequence

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.docker.proxy.admin import ProxyAdmin
from shipit.targets.docker.proxy.files import read_dials
from shipit.targets.docker.proxy.labels import IMAGE, NAME, PORTS, PROXY, parse_ports
from shipit.targets.docker.proxy.observed import ProxyFacts, with_config
from shipit.targets.docker.proxy.route import owner_prefix
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import Owner


def read_proxy(client: HostClient, rows: Sequence[Field], owner: Owner, *, is_used: bool) -> ProxyFacts | None:
    """The proxy in the list of all containers of a host; None without one, and where it does not matter to the target.

    It matters when the target has a host, and when it is in the network of the app.
    """
    found = next((facts for row in rows if (facts := parse_proxy(row))), None)
    if found is None or not (is_used or owner.prefix in found.networks):
        return None
    if not found.is_running:
        return found
    try:
        files = read_dials(client, found.id, owner_prefix(owner))
        return with_config(found, ProxyAdmin(client, found.id).config().value, owner, files)
    except RemoteError as error:
        return found._replace(problem=error.what)


def parse_proxy(row: Field) -> ProxyFacts | None:
    """The proxy in a row of the list of containers; None for another one, and for one that is being replaced."""
    labels = row["Labels"].texts()
    if PROXY not in labels or NAME not in [name.text().lstrip("/") for name in row["Names"].rows()]:
        return None
    networks = frozenset(name for name, _ in row["NetworkSettings"]["Networks"].items())
    ports = parse_ports(labels.get(PORTS, ""))
    return ProxyFacts(row["Id"].required(), labels.get(IMAGE, ""), ports, row["State"].text(), networks)
