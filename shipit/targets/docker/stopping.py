"""Stopping services and starting them again: the steps, and their verdicts. Pure."""

from __future__ import annotations

from shipit.errors import DeployFailed
from shipit.release import Seen, State, Step, Verdict
from shipit.targets.docker.judge import Limits, judge_containers
from shipit.targets.docker.observed import DockerObserved, HostFacts
from shipit.targets.docker.plan_back import Kept, Ways, kept_of, plan_back
from shipit.targets.docker.steps import StopContainers
from shipit.targets.engine.superseded import superseded
from shipit.targets.orders import StopOrder


def plan_stop(order: StopOrder, observed: DockerObserved) -> tuple[Step, ...]:
    steps = []
    for host, facts in observed.hosts.items():
        for service in order.workloads:
            if names := tuple(one.name for one in facts.running(service)):
                detail = (f"{service} is down until shipit start, or the next deploy",)
                steps.append(
                    StopContainers(
                        f"stop {service} {host}", f"stop {service} on {host}", detail,
                        undo="shipit start", host=host, names=names,
                    )
                )  # fmt: skip
    return tuple(steps)


def judge_stop(order: StopOrder, observed: DockerObserved) -> Verdict:
    for host, facts in observed.hosts.items():
        for service in order.workloads:
            if running := facts.running(service):
                return superseded(f"{running[0].name} runs on {host}")
    return Verdict(State.HEALTHY, f"{', '.join(order.workloads)} stopped")


def plan_start(order: StopOrder, observed: DockerObserved, ways: Ways) -> tuple[Step, ...]:
    """As many containers as ran before. Raises: DeployFailed for a service without a container."""
    wanted = kept_of(observed)
    for host, facts in observed.hosts.items():
        for service in order.workloads:
            if facts.running(service):
                continue
            last = facts.stopped_last(service)
            if not last:
                raise DeployFailed(f"{host} has no container of {service}", where=service, hint="shipit deploy first")
            wanted[host] += tuple(Kept(service, one.number, one.name) for one in last)
    return plan_back(wanted, observed, ways)


def judge_start(order: StopOrder, observed: DockerObserved, seen: Seen, limits: Limits, ways: Ways) -> Verdict:
    """Every container that was to be started runs, and is healthy."""
    before = seen.before if isinstance(seen.before, DockerObserved) else DockerObserved()
    own = {}
    for host, facts in observed.hosts.items():
        for service in order.workloads:
            if not facts.running(service):
                return Verdict(State.FAILED, f"{service} does not run on {host}", hint="deploy again")
            if wrong := _lost(host, service, before.hosts.get(host, HostFacts()), facts):
                return wrong
        own[host] = tuple(one for service in order.workloads for one in facts.running(service))
    return judge_containers(own, observed, seen, limits, ways)


def _lost(host: str, service: str, before: HostFacts, now: HostFacts) -> Verdict | None:
    """The failure of a container that was to be started, and does not run."""
    for wanted in () if before.running(service) else before.stopped_last(service):
        found = now.find(wanted.name)
        if found is None:
            return superseded(f"{wanted.name} is not on {host} any more")
        if not found.is_running:
            return Verdict(State.FAILED, f"{found.name} on {host} {found.ended}", subject=f"{host} {found.id}")
    return None
