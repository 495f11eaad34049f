"""The steps that bring back containers which are kept: those of a release, or those that ran before a deploy. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from shipit.past_release import PastRelease
from shipit.printable import Name
from shipit.release import Step
from shipit.targets.docker.observed import DockerObserved, HostFacts
from shipit.targets.docker.plan import order_of
from shipit.targets.docker.proxy.plan import plan_route
from shipit.targets.docker.proxy.route import RouteSpec, dial
from shipit.targets.docker.spec import Health
from shipit.targets.docker.steps import ReplaceService


class Kept(NamedTuple):
    """A container of a release."""

    service: Name
    number: int
    name: Name


class Record(NamedTuple):
    """A release as its host keeps it. `containers`: host -> those that ran with it. Newer ones have a higher `sequence`."""

    past: PastRelease
    containers: Mapping[str, tuple[Kept, ...]] = {}
    sequence: int = 0


class Way(NamedTuple):
    """The order in which a service is replaced, its health path and its route."""

    order: str = "start-first"
    health: Health | None = None
    route: RouteSpec | None = None


Ways = Callable[[str], Way]


def names_in(record: Record) -> dict[str, frozenset[str]]:
    """Host -> names of the containers of a release."""
    return {host: frozenset(one.name for one in kept) for host, kept in record.containers.items()}


def kept_of(observed: DockerObserved) -> dict[str, tuple[Kept, ...]]:
    """Host -> the containers that run."""
    return {
        host: tuple(
            Kept(one.service, one.number, one.name) for one in facts.containers if one.is_running and one.service
        )
        for host, facts in observed.hosts.items()
    }


def plan_back(wanted: Mapping[str, tuple[Kept, ...]], observed: DockerObserved, ways: Ways) -> tuple[Step, ...]:
    """A step for each service of each host where others run than the wanted ones. What a host does not have is left out."""
    return tuple(
        step for host, facts in observed.hosts.items() for step in _steps(host, wanted.get(host, ()), facts, ways)
    )


def _steps(host: str, wanted: tuple[Kept, ...], facts: HostFacts, ways: Ways) -> Iterator[Step]:
    for service in dict.fromkeys([*(one.service for one in wanted), *facts.services]):
        names = [one.name for one in wanted if one.service == service and facts.find(one.name)]
        running = facts.running(service)
        start = tuple(name for name in names if name not in {one.name for one in running})
        stopped = [one for one in running if one.name not in names]
        route = ways(service).route if names else None
        if not start and not stopped:
            if route and facts.proxy and facts.proxy.is_running and (step := _route(host, route, tuple(names), facts)):
                yield step
            continue
        back = [found for name in start if (found := facts.find(name))]
        verb = "bring back" if start else "stop"
        yield ReplaceService(
            f"{service} {host}",
            f"{verb} {service} on {host}",
            (*(f"start {name}" for name in start), *(f"stop {one.name}" for one in stopped)),
            effect="replace" if start else "delete",
            undo="deploy again",
            host=host,
            service=service,
            marks={},
            create={},
            start=start,
            stop=tuple(one.name for one in stopped),
            known=tuple(one.id for one in running),
            order=order_of(ways(service).order, [*stopped, *back]),
            health=ways(service).health,
            route=ways(service).route,
            serving=tuple(names),
        )


def _route(host: str, route: RouteSpec, names: tuple[str, ...], facts: HostFacts) -> Step | None:
    dials = [dial(one.id, route.port) for name in names if (one := facts.find(name))]
    return plan_route(host, route, dials, names, facts.proxy)
