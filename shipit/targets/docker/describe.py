"""What runs on the hosts, for people, and what would be sent to them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from shipit.release import Place, RenderedPart, Status, Unit
from shipit.targets.docker.observed import ContainerFacts, DockerObserved
from shipit.targets.docker.plan import Wanted
from shipit.targets.docker.proxy.judge import urls_of_routes
from shipit.targets.docker.proxy.route import render_route
from shipit.targets.docker.render import create_body
from shipit.targets.docker.spec import container_name
from shipit.targets.docker.wanted import Services
from shipit.targets.engine.owner import Owner


def describe(target: str, place: Place, observed: DockerObserved, urls: tuple[str, ...]) -> Status:
    """A unit for each container that runs, and for each service that has none."""
    units = []
    several = len(observed.hosts) > 1
    for host, facts in observed.hosts.items():
        for one in facts.containers:
            # Kept containers are not shown, unless nothing else of the service is left.
            if one.is_running or one.service not in facts.services:
                units.append(_unit(f"{one.name} {host}" if several else one.name, one))
    units += [Unit(host, "not reached", error=lost.what) for host, lost in observed.unreached.items()]
    return Status(target, place, "", tuple(units), urls, unread=tuple(observed.unreached))


def _unit(name: str, one: ContainerFacts) -> Unit:
    is_ready = one.state == "running" and one.health in ("", "healthy")
    state = f"{one.state}, {one.health}" if one.health else one.state
    error = "" if one.is_running else one.ended
    since = one.started_at if one.is_running else ""
    return Unit(name, state, one.image, 1, int(is_ready), one.restarts, since, error, one.made.run)


def urls_of(services: Services, observed: DockerObserved) -> Iterator[str]:
    """The hosts that the proxy serves, and the ports that services publish over TCP, of those that run."""
    routes = services.routes()
    served = (url for facts in observed.hosts.values() for url in urls_of_routes(routes, facts.proxy))
    yield from dict.fromkeys(served)
    for host, facts in observed.hosts.items():
        name = urlsplit(host).hostname or "localhost"
        for service, config in services.configs.items():
            if facts.running(service):
                for port in config.published:
                    if port.host and port.protocol == "tcp" and (port.port == config.port or config.port is None):
                        yield f"http://{name}" if port.host == 80 else f"http://{name}:{port.host}"


def rendered_parts(
    owner: Owner, wanted: Wanted, secrets: Collection[str], env: Mapping[str, str]
) -> tuple[RenderedPart, ...]:
    """The requests of a first deploy that create each container, without the values of secrets, and each route of the proxy."""
    parts = []
    for service in wanted.values():
        names = sorted(service.marks)
        left_out = tuple(name for name in names if name in secrets or name not in env)
        values = {name: f"<secret {name}>" if name in left_out else env[name] for name in names}
        for number in range(1, (service.replicas or 1) + 1):
            name = container_name(owner, service.spec, service.marks, number)
            body = create_body(owner, service.spec, number, values, names)
            parts.append(RenderedPart(f"POST /containers/create?name={name}", body, left_out))
        if route := service.route:
            path = f"PUT /config/apps/http/servers/{route.server}/routes/0"
            parts.append(RenderedPart(path, render_route(route, service.replicas or 1)))
    return tuple(parts)
