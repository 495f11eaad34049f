"""The health of the routes of a target, against what the run wanted. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipit.release import State, Verdict
from shipit.targets.docker.proxy.labels import NAME
from shipit.targets.docker.proxy.observed import ProxyFacts
from shipit.targets.docker.proxy.route import RouteSpec
from shipit.targets.engine.superseded import superseded


def judge_route(host: str, spec: RouteSpec, dials: Sequence[str], found: ProxyFacts | None) -> Verdict | None:
    """The failure of the route of a service that runs at the addresses `dials`; None where it leads there."""
    if found is None or not found.is_running:
        state = f"is {found.state}" if found else "is not there"
        hosts = f"{spec.service} is DOWN for {', '.join(spec.hosts)}"
        return Verdict(State.FAILED, f"the proxy {NAME} on {host} {state}", hint="deploy again", down=hosts)
    if found.problem:
        # Its routes can't be read now; the next look may say more.
        return None
    route = found.routes.get(spec.service)
    if route is None:
        return superseded(f"the proxy on {host} has no route of {spec.service} any more")
    if sorted(route.dials) != sorted(dials):
        where = ", ".join(route.dials) or "no container"
        return superseded(f"the proxy on {host} leads {', '.join(spec.hosts)} to {where}, not to {', '.join(dials)}")
    return None


def urls_of_routes(wanted: Mapping[str, RouteSpec], found: ProxyFacts | None) -> tuple[str, ...]:
    """The URLs of the routes that are there."""
    urls = []
    for service, route in (found.routes if found else {}).items():
        if found and service in wanted:
            scheme, port, usual = (
                ("https", found.ports.https, 443) if route.server == "https" else ("http", found.ports.http, 80)
            )
            urls += [f"{scheme}://{name}" if port == usual else f"{scheme}://{name}:{port}" for name in route.hosts]
    return tuple(urls)
