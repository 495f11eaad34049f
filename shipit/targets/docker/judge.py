"""The health of the containers of a target, against what the run wanted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from shipit.release import Seen, State, Verdict
from shipit.targets.docker.observed import ContainerFacts, DockerObserved, HostFacts
from shipit.targets.docker.plan import Wanted, short_image
from shipit.targets.docker.plan_back import Ways
from shipit.targets.docker.proxy.judge import judge_route
from shipit.targets.docker.proxy.route import dial
from shipit.targets.docker.wanted import WantedService
from shipit.targets.engine.healthcheck import starting
from shipit.targets.engine.made_by import made_of_all
from shipit.targets.engine.superseded import superseded


class Limits(NamedTuple):
    """Seconds without progress before a failure, and the number of restarts that are none."""

    pending_s: float
    restarts: int = 0


def judge_release(wanted: Wanted, observed: DockerObserved, seen: Seen, limits: Limits, ways: Ways) -> Verdict:
    """Every wanted service runs on every host, in the wanted number, with the wanted image, settings and values."""
    own: dict[str, tuple[ContainerFacts, ...]] = {}
    for host, facts in observed.hosts.items():
        for service in wanted.values():
            alike = tuple(one for one in facts.running(service.spec.service) if service.is_met_by(one))
            if wrong := _judge_service(host, service, facts, alike, seen):
                return wrong
            own[host] = (*own.get(host, ()), *alike)
    return judge_containers(own, observed, seen, limits, ways)


def judge_names(
    wanted: Mapping[str, frozenset[str]], observed: DockerObserved, seen: Seen, limits: Limits, ways: Ways
) -> Verdict:
    """Exactly the containers of these names run. `wanted` by host."""
    own: dict[str, tuple[ContainerFacts, ...]] = {}
    for host, facts in observed.hosts.items():
        names = wanted.get(host, frozenset())
        for name in sorted(names):
            found = facts.find(name)
            if found is None or not found.is_running:
                ended = f": it {found.ended}" if found else ": somebody removed it"
                return Verdict(
                    State.FAILED, f"{name} does not run on {host}{ended}", subject=f"{host} {found.id}" if found else ""
                )
        own[host] = tuple(one for one in facts.containers if one.is_running and one.service)
        if others := [one for one in own[host] if one.name not in names]:
            return superseded(
                f"{', '.join(one.name for one in others)} runs on {host}", made_of_all(one.made for one in others)
            )
    return judge_containers(own, observed, seen, limits, ways)


def _judge_service(
    host: str, wanted: WantedService, facts: HostFacts, alike: tuple[ContainerFacts, ...], seen: Seen
) -> Verdict | None:
    service = wanted.spec.service
    others = [one for one in facts.running(service) if one not in alike]
    if others:
        what = f"{others[0].name} runs on {host} as {service}, {_difference(others[0], wanted)}"
        return superseded(what, others[0].made)
    count = wanted.count(facts)
    if len(alike) > count:
        return superseded(f"{service} has {len(alike)} containers on {host}, not {count}")
    if len(alike) == count:
        # Without replicas, the count is that of those which run: one that has ended is not in it.
        own = [one for one in facts.of(service) if wanted.is_met_by(one)]
        return None if wanted.replicas else judge_ended(host, own, seen)
    ended = [one for one in facts.of(service) if wanted.is_met_by(one) and not one.is_running]
    if not ended:
        what = f"{service} has {len(alike)} of {count} containers on {host}"
        return Verdict(State.FAILED, what, hint="deploy again", superseded_by="someone else" if alike else "")
    last = max(ended, key=lambda one: one.started_at)
    return Verdict(
        State.FAILED, f"{last.name} on {host} {last.ended}", subject=f"{host} {last.id}", down=_down(service, alike)
    )


def _difference(found: ContainerFacts, wanted: WantedService) -> str:
    if found.image != wanted.spec.image:
        return f"with the image {short_image(found.image)} and not {short_image(wanted.spec.image)}"
    changed = sorted(name for name in {*found.marks, *wanted.marks} if found.marks.get(name) != wanted.marks.get(name))
    return f"with another value of {', '.join(changed)}" if changed else "with other settings"


def _down(service: str, running: tuple[ContainerFacts, ...]) -> str:
    return "" if running else f"{service} is DOWN: none of its containers runs"


def judge_containers(
    own: Mapping[str, tuple[ContainerFacts, ...]], observed: DockerObserved, seen: Seen, limits: Limits, ways: Ways
) -> Verdict:
    """The verdict on containers that run: they stay up and are healthy. `own` by host."""
    waiting: list[str] = []
    states: list[str] = []
    for host, containers in own.items():
        for one in containers:
            if wrong := _failure(host, one, seen, limits):
                return wrong
            states.append(f"{one.name}:{one.state}:{one.health}:{one.restarts}")
            waiting += _waits(one, observed, needs_answer=bool(ways(one.service).health))
        if wrong := _judge_routes(host, containers, observed, ways):
            return wrong
        proxy = observed.hosts[host].proxy
        if proxy and proxy.problem and any(ways(one.service).route for one in containers):
            waiting.append(f"the proxy on {host}: {proxy.problem}")
    progress = " ".join(sorted(states) + sorted(probe.summary for probe in observed.probes.values()))
    if not waiting:
        return Verdict(State.HEALTHY, _summary(own, observed), progress)
    undecided_s = max((one.undecided_s for found in own.values() for one in found), default=0.0)
    if seen.unchanged_s > limits.pending_s + undecided_s:
        return Verdict(
            State.FAILED, f"{'; '.join(waiting)} for {seen.unchanged_s:.0f} s", progress, subject=_first(own)
        )
    return Verdict(State.WAITING, "; ".join(waiting), progress, parts=tuple(waiting))


def _judge_routes(
    host: str, containers: tuple[ContainerFacts, ...], observed: DockerObserved, ways: Ways
) -> Verdict | None:
    for service in dict.fromkeys(one.service for one in containers):
        if route := ways(service).route:
            dials = [dial(one.id, route.port) for one in containers if one.service == service]
            if wrong := judge_route(host, route, dials, observed.hosts[host].proxy):
                return wrong
    return None


def _failure(host: str, one: ContainerFacts, seen: Seen, limits: Limits) -> Verdict | None:
    restarts = one.restarts - _restarts_before(host, one, seen)
    if restarts > limits.restarts or (one.state == "restarting" and limits.restarts == 0):
        what = f"{one.name} on {host} {one.ended}, and was restarted {one.restarts} times"
        return Verdict(State.FAILED, what, subject=f"{host} {one.id}")
    if one.state == "paused":
        return Verdict(State.FAILED, f"{one.name} on {host} is paused", hint=f"docker unpause {one.name}")
    if one.health == "unhealthy":
        said = f": {one.said}" if one.said else ""
        return Verdict(State.FAILED, f"{one.name} on {host} is unhealthy{said}", subject=f"{host} {one.id}")
    return None


def judge_ended(host: str, own: Sequence[ContainerFacts], seen: Seen) -> Verdict | None:
    """The failure of a container of a service that ran when the plan was made, or has started since, and has ended.

    None where there is none, or another one of its number runs.
    """
    before = seen.before.hosts.get(host) if isinstance(seen.before, DockerObserved) else None
    if before is None:
        # Any that has ended may have been stopped by `shipit scale`.
        return None
    ended = {(one.id, one.started_at) for one in before.containers if not one.is_running}
    running = {one.number for one in own if one.is_running}
    found = [one for one in own if one.number not in running and (one.id, one.started_at) not in ended]
    if not found:
        return None
    first = min(found, key=lambda one: one.number)
    return Verdict(State.FAILED, f"{first.name} on {host} {first.ended}", subject=f"{host} {first.id}")


def _restarts_before(host: str, one: ContainerFacts, seen: Seen) -> int:
    """The restarts of a container that ran already when the plan was made."""
    before = seen.before if isinstance(seen.before, DockerObserved) else DockerObserved()
    facts = before.hosts.get(host, HostFacts())
    return next((old.restarts for old in facts.containers if old.id == one.id and old.started_at == one.started_at), 0)


def _waits(one: ContainerFacts, observed: DockerObserved, *, needs_answer: bool) -> Iterator[str]:
    if one.state != "running":
        yield f"{one.name} is {one.state}"
    elif one.health == "starting":
        yield f"{one.name} {starting(one.undecided_s)}"
    elif needs_answer and (probe := observed.probes.get(one.id)) and not probe.is_good:
        yield f"{one.name}: {probe.summary}"


def _summary(own: Mapping[str, tuple[ContainerFacts, ...]], observed: DockerObserved) -> str:
    """The facts that were read, and nothing else."""
    found: dict[str, list[ContainerFacts]] = {}
    for containers in own.values():
        for one in containers:
            found.setdefault(one.service, []).append(one)
    return "; ".join(f"{service}: {_state(containers, observed)}" for service, containers in found.items())


def _state(containers: list[ContainerFacts], observed: DockerObserved) -> str:
    images = ", ".join(dict.fromkeys(short_image(one.image) for one in containers))
    said = [f"{len(containers)} running on {images}"]
    if all(one.health == "healthy" for one in containers):
        said.append("healthy")
    probes = [probe for one in containers if (probe := observed.probes.get(one.id))]
    if len(probes) == len(containers):
        said += dict.fromkeys(probe.summary for probe in probes)
    return ", ".join(said)


def _first(own: Mapping[str, tuple[ContainerFacts, ...]]) -> str:
    return next((f"{host} {one.id}" for host, containers in own.items() for one in containers), "")
