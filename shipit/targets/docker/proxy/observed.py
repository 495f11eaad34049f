"""The proxy of a host as observed, in plain values that go to JSON and come back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from shipit.targets.docker.proxy.route import (
    PREFIX,
    Ports,
    all_routes,
    canonical,
    dials_of,
    hosts_of,
    owner_prefix,
)
from shipit.targets.engine.owner import Owner


class RouteFacts(NamedTuple):
    """A route as Caddy has it. `text` is its JSON in one form, so that equal routes have equal texts."""

    server: str
    hosts: tuple[str, ...]
    dials: tuple[str, ...]
    text: str


class ProxyFacts(NamedTuple):
    """The container of the proxy. `image` and `ports` are those that it was created with.

    `networks` are those that it is in. `routes`: service of the target -> its route. `taken`: host -> @id of the route of
    another target or user. `others` is the number of routes of other targets. `problem` says why its configuration can't be
    read; empty where it was.
    """

    id: str
    image: str
    ports: Ports
    state: str = "running"
    networks: frozenset[str] = frozenset()
    routes: Mapping[str, RouteFacts] = {}
    taken: Mapping[str, str] = {}
    others: int = 0
    problem: str = ""

    @property
    def is_running(self) -> bool:
        return self.state == "running"


def with_config(
    facts: ProxyFacts, config: Mapping[str, Any] | None, owner: Owner, files: Mapping[str, str]
) -> ProxyFacts:
    """The facts with the routes of a configuration, and the files with their addresses."""
    prefix = owner_prefix(owner)
    routes: dict[str, RouteFacts] = {}
    taken: dict[str, str] = {}
    others = 0
    for server, route in all_routes(config):
        name, hosts = str(route.get("@id", "")), hosts_of(route)
        if name.startswith(prefix):
            routes[name.removeprefix(prefix)] = RouteFacts(server, hosts, dials_of(route, files), canonical(route))
        else:
            taken |= dict.fromkeys(hosts, name or "a route without an @id")
            others += name.startswith(PREFIX)
    return facts._replace(routes=routes, taken=taken, others=others)
