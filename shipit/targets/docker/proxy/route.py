"""The configuration of Caddy as JSON: the two servers that all apps share, and the route of one service. Pure.

Source: caddyserver.com/docs/json: apps/http/servers, handlers/reverse_proxy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from shipit.printable import Name
from shipit.targets.engine.owner import Owner

# The official image. A tag of Caddy 2: its certificates and configuration are read by every later one.
DEFAULT_IMAGE = "docker.io/library/caddy:2"
Tls = Literal["automatic", "off"]
# The beginning of the @id of every route of shipit.
PREFIX = "shipit:"
# Caddy ends the WebSockets of every app when its configuration changes, after this time: a day.
_STREAMS = "24h"
# Where the addresses of the routes are in the container, in the volume of the configuration: a folder for each route.
FOLDER = "/config/shipit"
_FILE = re.compile(r"\{file\.(.*)\}")
# The time that a request waits for a container that does not accept connections, as while it restarts.
_TRY = "5s"


class Ports(NamedTuple):
    """The ports of the host that Caddy has. `https` is 0 where no service has TLS."""

    http: int = 80
    https: int = 443

    def __str__(self) -> str:
        return f"{self.http}, {self.https}" if self.https else str(self.http)


class RouteSpec(NamedTuple):
    """The hosts that lead to a service, and the port of its containers. `drain_s`: seconds that old requests may take."""

    id: Name
    service: Name
    hosts: tuple[Name, ...]
    port: int
    tls: Tls = "automatic"
    drain_s: float = 30.0

    @property
    def server(self) -> str:
        return "http" if self.tls == "off" else "https"


def owner_prefix(owner: Owner) -> str:
    """The beginning of the @id of every route of a target."""
    return f"{PREFIX}{owner.app}:{owner.environment}:{owner.target}:"


def dial(container_id: str, port: int) -> str:
    """The address of a container in its networks: Docker's DNS knows the short id, which no other container ever has."""
    return f"{container_id[:12]}:{port}"


def folder(route: str) -> str:
    """The folder with the addresses of a route, by its @id."""
    return f"{FOLDER}/{quote(route.removeprefix(PREFIX), safe=':')}"


def places(spec: RouteSpec, count: int) -> list[str]:
    """Placeholders of Caddy for the content of a file, one for each of the containers."""
    return [f"{{file.{folder(spec.id)}/{number}}}" for number in range(count)]


def render_route(spec: RouteSpec, count: int) -> dict[str, Any]:
    """The route to as many containers, whose addresses are in files."""
    handlers = [_proxy(places(spec, count))]
    return {"@id": spec.id, "match": [{"host": list(spec.hosts)}], "handle": handlers, "terminal": True}


def _proxy(dials: Sequence[str]) -> dict[str, Any]:
    balancing = {"selection_policy": {"policy": "round_robin"}, "try_duration": _TRY, "try_interval": "100ms"}
    found = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": name} for name in dials],
        "load_balancing": balancing,
        "stream_close_delay": _STREAMS,
    }
    # The only one is never taken out.
    return {**found, "health_checks": {"passive": {"fail_duration": "5s"}}} if len(dials) > 1 else found


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def with_servers(config: Mapping[str, Any] | None, ports: Ports) -> dict[str, Any]:
    """The configuration with the two servers of shipit on their ports. All other parts stay as they are."""
    found = dict(config or {})
    apps = dict(found.get("apps") or {})
    http = dict(apps.get("http") or {})
    servers = dict(http.get("servers") or {})
    # An https server on port 0 would listen somewhere: its port is that of Caddy, which the host does not publish then.
    https = ports.https or http.get("https_port") or 443
    for name, port in (("http", ports.http), ("https", https)):
        own = dict(servers.get(name) or {})
        servers[name] = {**own, "listen": [f":{port}"], "routes": own.get("routes") or [_unknown(name)]}
    apps["http"] = {**http, "http_port": ports.http, "https_port": https, "servers": servers}
    return {**found, "apps": apps}


def _unknown(server: str) -> dict[str, Any]:
    """The last route: without it, Caddy answers 200 for a host that it does not know."""
    return {"@id": f"unknown-host:{server}", "handle": [{"handler": "static_response", "status_code": 404}]}


def all_routes(config: Mapping[str, Any] | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Server and route of the whole configuration. What has another shape than routes have is left out."""
    servers = _mapping(_mapping(_mapping(_mapping(config).get("apps")).get("http")).get("servers"))
    for name, server in servers.items():
        routes = _mapping(server).get("routes")
        for route in routes if isinstance(routes, list) else ():
            if isinstance(route, dict):
                yield name, route


def hosts_of(route: Mapping[str, Any]) -> tuple[str, ...]:
    matchers = route.get("match")
    found = [_mapping(matcher).get("host") for matcher in (matchers if isinstance(matchers, list) else ())]
    return tuple(str(host) for hosts in found if isinstance(hosts, list) for host in hosts)


def dials_of(route: Mapping[str, Any], files: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses that a route of shipit sends requests to. `files`: path -> content."""
    handlers = route.get("handle")
    first = _mapping(handlers[0]) if isinstance(handlers, list) and handlers else {}
    upstreams = first.get("upstreams")
    names = [str(_mapping(one).get("dial") or "") for one in (upstreams if isinstance(upstreams, list) else ())]
    found = [files.get(match[1], "") if (match := _FILE.fullmatch(name)) else name for name in names]
    return tuple(name for name in found if name)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


class Change(NamedTuple):
    """One request to Caddy's admin API."""

    method: str
    path: str
    value: Any = None


def change_route(
    config: Mapping[str, Any] | None, spec: RouteSpec, route: Mapping[str, Any], ports: Ports
) -> Change | None:
    """The one request that puts a route in its place: instead of the old one, or before all others. None where it is there."""
    server, old = next(((name, found) for name, found in all_routes(config) if found.get("@id") == spec.id), ("", {}))
    if server == spec.server and canonical(old) == canonical(route):
        return None
    if server == spec.server:
        return Change("PATCH", f"/id/{quote(spec.id, safe=':')}", route)
    known = _mapping(_mapping(_mapping(_mapping(config).get("apps")).get("http")).get("servers"))
    if not server and spec.server in known:
        return Change("PUT", f"/config/apps/http/servers/{spec.server}/routes/0", route)
    return Change("POST", "/config/", _moved(with_servers(config, ports), spec, route))


def _moved(config: dict[str, Any], spec: RouteSpec, route: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration with a route in another server: two requests would leave a moment without it."""
    servers = config["apps"]["http"]["servers"]
    for name, server in servers.items():
        routes = _mapping(server).get("routes")
        if isinstance(routes, list):
            kept = [one for one in routes if _mapping(one).get("@id") != spec.id]
            servers[name] = {**server, "routes": [route, *kept] if name == spec.server else kept}
    return config


def remove_routes(config: Mapping[str, Any] | None, prefix: str, services: frozenset[str] | None) -> Change | None:
    """The request that removes one route of a target: of these services, of all for None. None when there is none left."""
    for _, route in all_routes(config):
        name = str(route.get("@id", ""))
        if name.startswith(prefix) and (services is None or name.removeprefix(prefix) in services):
            return Change("DELETE", f"/id/{quote(name, safe=':')}")
    return None
