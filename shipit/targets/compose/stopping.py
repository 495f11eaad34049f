"""Stopping services and starting them again: the steps, and their verdicts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shipit.errors import DeployFailed
from shipit.release import Seen, State, Step, Verdict
from shipit.targets.compose.judge import Limits, judge_containers, judge_ended
from shipit.targets.compose.observed import ComposeObserved
from shipit.targets.compose.steps import StartContainers, StopContainers
from shipit.targets.engine.superseded import superseded
from shipit.targets.orders import StopOrder


def plan_stop(order: StopOrder, observed: ComposeObserved) -> tuple[Step, ...]:
    """Dependents are stopped before what they need."""
    return tuple(
        StopContainers(
            f"stop {service}", f"stop {service}", (f"{service} is down until shipit start, or the next deploy",),
            undo="shipit start", names=names,
        )
        for service in reversed(in_order(order.workloads, observed))
        if (names := tuple(one.name for one in observed.of(service) if one.is_running))
    )  # fmt: skip


def judge_stop(order: StopOrder, observed: ComposeObserved) -> Verdict:
    for service in order.workloads:
        if running := [one.name for one in observed.of(service) if one.is_running]:
            return superseded(f"{running[0]} runs")
    return Verdict(State.HEALTHY, f"{', '.join(order.workloads)} stopped")


def plan_start(order: StopOrder, observed: ComposeObserved) -> tuple[Step, ...]:
    """Starts services after those that they need. Raises: DeployFailed for a service without a container."""
    steps: list[Step] = []
    services = observed.made_services
    for service in in_order(order.workloads, observed):
        found = observed.of(service)
        if not found:
            raise DeployFailed(f"{service} has no container", where=service, hint="shipit deploy first")
        wanted = services.get(service)
        stopped = [one for one in found if not one.is_running]
        names = tuple(one.name for one in stopped if not (wanted and wanted.may_end and one.has_ended_well))
        if names:
            detail = tuple(f"start {name}" for name in names)
            steps.append(
                StartContainers(f"start {service}", f"start {service}", detail, undo="shipit stop", names=names)
            )
    return tuple(steps)


def judge_start(order: StopOrder, observed: ComposeObserved, seen: Seen, limits: Limits) -> Verdict:
    services = observed.made_services
    if ended := judge_ended(order.workloads, services, observed):
        return ended
    return judge_containers(order.workloads, services, observed, seen, limits)


def in_order(workloads: Sequence[str], observed: ComposeObserved) -> list[str]:
    """The services, each behind those that it needs."""
    services, found = observed.made_services, list[str]()

    def take(name: str, above: tuple[str, ...]) -> None:
        if name in found:
            return
        for other in services[name].needs if name in services else ():
            if other not in above:
                take(other, (*above, name))
        found.append(name)

    for name in workloads:
        take(name, (name,))
    return [name for name in found if name in workloads]
