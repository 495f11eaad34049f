"""The ports of a host that a target needs, and who has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shipit.http.fields import Field
from shipit.targets.docker.parse import parse_foreign
from shipit.targets.docker.proxy.observed import ProxyFacts
from shipit.targets.docker.proxy.plan import ProxySpec
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.listening import collide
from shipit.targets.engine.owner import Owner


class Needed(NamedTuple):
    """`published` are the ports of services, `proxy` is the proxy that the target needs; None where no service has a host."""

    published: tuple[Publish, ...]
    proxy: ProxySpec | None = None

    @property
    def is_empty(self) -> bool:
        return self.proxy is None and not any(port.host for port in self.published)

    def ports(self, found: ProxyFacts | None) -> tuple[Publish, ...]:
        """Those that have to be free. `found` is the proxy of the host: what it has already, it keeps."""
        fixed = (port for port in self.published if port.host)
        if self.proxy is None:
            return tuple(fixed)
        # A paused one has its ports, too.
        is_there = found is not None and found.state in ("running", "paused")
        wanted = _proxy_ports(self.proxy.over(found) if found else self.proxy)
        had = _proxy_ports(self.proxy._replace(ports=found.ports)) if found and is_there else ()
        return (*fixed, *(port for port in wanted if port not in had))


def _proxy_ports(spec: ProxySpec) -> tuple[Publish, ...]:
    http, https = spec.ports
    secured = (Publish(https, https), Publish(https, https, protocol="udp")) if https else ()
    return (Publish(http, http), *secured)


def taken_by_containers(host: str, rows: Iterable[Field], owner: Owner, ports: Iterable[Publish]) -> list[str]:
    """A line for each port that a container of somebody else publishes. `rows` are all containers of the host."""
    wanted, lines = tuple(ports), {}
    for row in rows:
        if owner.owns(row["Labels"].texts()):
            continue
        other = parse_foreign(row)
        for port in other.ports:
            if any(collide(port, one) for one in wanted):
                what = f"the port {port.host}/{port.protocol} of {host} is taken by the container {other.name}"
                lines[port.host, port.protocol] = what
    return list(lines.values())


def taken_by_programs(
    rows: Iterable[Field], ports: Iterable[Publish], listening: Iterable[Publish]
) -> Iterator[Publish]:
    """The ports on which something else than a container listens: an engine listens on those that containers publish."""
    published = [port for row in rows for port in parse_foreign(row).ports]
    others = [one for one in listening if not any(collide(one, port) for port in published)]
    return (port for port in ports if any(collide(port, one) for one in others))
