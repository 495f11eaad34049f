"""Stopping services and starting them again: no task runs, and the service remembers their number. Pure."""

from __future__ import annotations

from shipit.errors import DeployFailed
from shipit.release import Seen, State, Step, Verdict
from shipit.targets.engine.superseded import superseded
from shipit.targets.orders import StopOrder
from shipit.targets.swarm.judge import Limits, judge_services
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.steps import StartService, StopService


def plan_stop(order: StopOrder, observed: SwarmObserved) -> tuple[Step, ...]:
    """Raises: DeployFailed for a service that runs on every node."""
    steps = []
    for service in order.workloads:
        found = observed.services.get(service)
        if found is None:
            continue
        if found.mode != "replicated":
            what = f"{service} runs on every node, and can't be stopped"
            raise DeployFailed(
                what, where=service, hint="take it out of the file and deploy, or write mode: replicated"
            )
        if found.replicas:
            detail = (f"tasks  {found.replicas} -> 0", f"{service} is down until shipit start, or the next deploy")
            steps.append(
                StopService(f"stop {service}", f"stop {service}", detail, undo="shipit start", service=service)
            )
    return tuple(steps)


def judge_stop(order: StopOrder, observed: SwarmObserved) -> Verdict:
    running: list[str] = []
    for service in order.workloads:
        found = observed.services.get(service)
        if found is not None and found.wanted:
            return superseded(f"{service} has {found.wanted} tasks")
        running += [one.name for one in found.tasks if one.state == "running"] if found else []
    if running:
        return Verdict(State.WAITING, f"{', '.join(running)} not yet ended", " ".join(running))
    return Verdict(State.HEALTHY, f"{', '.join(order.workloads)} stopped")


def plan_start(order: StopOrder, observed: SwarmObserved) -> tuple[Step, ...]:
    """Raises: DeployFailed for a service that is not there, or that was not stopped by shipit."""
    steps = []
    for service in order.workloads:
        found = observed.services.get(service)
        if found is None:
            raise DeployFailed(f"the swarm has no service {service}", where=service, hint="shipit deploy first")
        if found.wanted:
            continue
        if not found.stopped:
            what = f"{service} has no task, and shipit did not stop it"
            raise DeployFailed(what, where=service, hint=f"shipit scale TARGET/{service}=N")
        detail = (f"tasks  0 -> {found.stopped}",)
        steps.append(StartService(f"start {service}", f"start {service}", detail, undo="shipit stop", service=service))
    return tuple(steps)


def judge_start(order: StopOrder, observed: SwarmObserved, seen: Seen, limits: Limits) -> Verdict:
    found = []
    for service in order.workloads:
        if service not in observed.services or not observed.services[service].wanted:
            return superseded(f"{service} has no task")
        found.append(observed.services[service])
    return judge_services(found, seen, limits)
