"""Scaling and restarting services: the steps, and their verdicts. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from shipit.errors import DeployFailed
from shipit.release import Seen, State, Step, Verdict
from shipit.targets.docker.judge import Limits, judge_containers, judge_ended
from shipit.targets.docker.observed import ContainerFacts, DockerObserved, HostFacts
from shipit.targets.docker.plan import order_of
from shipit.targets.docker.plan_back import Way, Ways
from shipit.targets.docker.proxy.route import RouteSpec
from shipit.targets.docker.spec import other_number
from shipit.targets.docker.steps import ReplaceService, RestartService
from shipit.targets.engine.superseded import superseded
from shipit.targets.orders import RestartOrder, ScaleOrder

# The part of the name of a container that serves while another one restarts.
_BESIDE = "-beside-"


def plan_scale(order: ScaleOrder, observed: DockerObserved, ways: Ways) -> tuple[Step, ...]:
    """Containers like the first one are created, or those with the highest numbers are stopped.

    Raises: DeployFailed for a service that does not run, or that publishes a certain port.
    """
    return tuple(
        step
        for host, facts in observed.hosts.items()
        for service, count in order.quantities.items()
        if (step := _scale(host, service, count, facts, ways))
    )


def _scale(host: str, service: str, count: int, facts: HostFacts, ways: Ways) -> Step | None:
    running = sorted(facts.running(service), key=lambda one: one.number)
    if not running:
        raise DeployFailed(f"{service} does not run on {host}", where=service, hint="shipit deploy first")
    if len(running) == count:
        return None
    if count > 1 and running[0].is_fixed:
        what = f"{service} publishes a port of the host, which only one container can have"
        raise DeployFailed(what, where=service, hint="leave out the port of the host in publish:")
    numbers = {one.number for one in running}
    free = (number for number in range(1, count + len(running) + 1) if number not in numbers)
    names = {
        other_number(running[0].name, number): number
        for number, _ in zip(free, range(count - len(running)), strict=False)
    }
    kept = tuple(one.name for one in running[:count])
    return ReplaceService(
        f"scale {service} {host}",
        f"scale {service} on {host}",
        (f"{service}  {len(running)} -> {count}",),
        undo=f"shipit scale {service}={len(running)}",
        host=host,
        service=service,
        like=running[0].name,
        marks={},
        create={name: number for name, number in names.items() if facts.find(name) is None},
        start=tuple(name for name in names if facts.find(name)),
        stop=tuple(one.name for one in running[count:]),
        known=tuple(one.id for one in running),
        health=ways(service).health,
        route=ways(service).route,
        serving=(*kept, *names),
    )


def judge_scale(order: ScaleOrder, observed: DockerObserved, seen: Seen, limits: Limits, ways: Ways) -> Verdict:
    for host, facts in observed.hosts.items():
        for service, count in order.quantities.items():
            if (found := len(facts.running(service))) != count:
                ended = judge_ended(host, facts.of(service), seen) if found < count else None
                return ended or superseded(f"{service} has {found} containers on {host}, not {count}")
    return judge_containers(_only(order.quantities, observed), observed, seen, limits, ways)


def plan_restart(order: RestartOrder, observed: DockerObserved, ways: Ways) -> tuple[Step, ...]:
    """Containers restart one after the other, and an only one while a container like it serves, where a deploy starts the new one first.

    Raises: DeployFailed for a service that does not run.
    """
    steps: list[Step] = []
    for host, facts in observed.hosts.items():
        for service in order.workloads:
            running = sorted(facts.running(service), key=lambda one: one.number)
            if not running:
                raise DeployFailed(f"{service} does not run on {host}", where=service, hint="shipit deploy first")
            steps.append(_restart(host, running, facts, ways(service), order.at))
    return tuple(steps)


def _restart(host: str, running: list[ContainerFacts], facts: HostFacts, way: Way, at: str) -> Step:
    left = _left_beside(running)
    [first, *others] = [one for one in running if one not in left]
    is_beside = not others and order_of(way.order, running) == "start-first"
    beside = (left[0].name if left else _beside(first.name, facts)) if is_beside else ""
    if others:
        detail = ("each container restarts when the one before is ready",)
    elif beside:
        detail = (f"{beside} serves meanwhile, and is removed then",)
    else:
        detail = ("the service is down while its only container restarts: no second one may run beside it",)
    return RestartService(
        f"restart {first.service} {host}", f"restart {first.service} on {host}", detail,
        host=host, service=first.service, names=tuple(one.name for one in (first, *others)), at=at,
        health=way.health, route=_led(way.route, facts), beside=beside, number=first.number,
    )  # fmt: skip


def _left_beside(running: list[ContainerFacts]) -> list[ContainerFacts]:
    """The second container that a killed restart of an only one left, which is like it."""
    [first, *others] = sorted(running, key=lambda one: _BESIDE in one.name)
    is_left = len(others) == 1 and others[0].name.startswith(f"{first.name}{_BESIDE}")
    is_like = is_left and (others[0].spec, others[0].image, others[0].marks) == (first.spec, first.image, first.marks)
    return others if is_like else []


def _beside(name: str, facts: HostFacts) -> str:
    """A free name for a second container. Where a killed restart leaves both, a deploy keeps the first one by its name."""
    base = name.partition(_BESIDE)[0]
    return next(free for count in itertools.count(1) if facts.find(free := f"{base}{_BESIDE}{count}") is None)


def _led(route: RouteSpec | None, facts: HostFacts) -> RouteSpec | None:
    """The route of a service that the proxy has: a restart adds none, and changes no host."""
    found = facts.proxy.routes.get(route.service) if route and facts.proxy and facts.proxy.is_running else None
    return route if route and found and found.hosts == route.hosts else None


def judge_restart(order: RestartOrder, observed: DockerObserved, seen: Seen, limits: Limits, ways: Ways) -> Verdict:
    """Healthy when every container runs, and started after the plan was made."""
    before = seen.before if isinstance(seen.before, DockerObserved) else DockerObserved()
    old = {(one.id, one.started_at) for facts in before.hosts.values() for one in facts.containers}
    own = _only(order.workloads, observed)
    if kept := [one.name for found in own.values() for one in found if (one.id, one.started_at) in old]:
        return Verdict(State.WAITING, f"{', '.join(kept)} not yet restarted", f"old {' '.join(kept)}")
    for host, facts in observed.hosts.items():
        for service in order.workloads:
            if not facts.running(service):
                return Verdict(State.FAILED, f"{service} does not run on {host}", hint="deploy again")
            if ended := judge_ended(host, facts.of(service), seen):
                return ended
    return judge_containers(own, observed, seen, limits, ways)


def _only(services: Iterable[str], observed: DockerObserved) -> dict[str, tuple[ContainerFacts, ...]]:
    names = set(services)
    return {
        host: tuple(one for one in facts.containers if one.is_running and one.service in names)
        for host, facts in observed.hosts.items()
    }
