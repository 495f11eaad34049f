"""Scaling and restarting services: the steps, and their verdicts. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shipit.errors import DeployFailed
from shipit.release import Seen, State, Step, Verdict
from shipit.targets.engine.superseded import superseded
from shipit.targets.orders import RestartOrder, ScaleOrder
from shipit.targets.swarm.judge import Limits, judge_services
from shipit.targets.swarm.observed import ServiceFacts, SwarmObserved
from shipit.targets.swarm.plan import scale_step
from shipit.targets.swarm.steps import RestartService


def plan_scale(order: ScaleOrder, observed: SwarmObserved) -> tuple[Step, ...]:
    """Raises: DeployFailed for a service that does not run, or that runs on every node."""
    steps = []
    for service, count in order.quantities.items():
        found = _service(service, observed)
        if found.mode != "replicated":
            what = f"{service} runs on every node, and has no number of tasks"
            raise DeployFailed(what, where=service, hint="write mode: replicated")
        if found.replicas != count:
            steps.append(scale_step(found, count))
    return tuple(steps)


def judge_scale(order: ScaleOrder, observed: SwarmObserved, seen: Seen, limits: Limits) -> Verdict:
    for service, count in order.quantities.items():
        if (found := observed.services.get(service)) is None or found.replicas != count:
            return superseded(f"{service} has {found.replicas if found else 0} tasks, not {count}")
    return judge_services(_only(order.quantities, observed), seen, limits)


def plan_restart(order: RestartOrder, observed: SwarmObserved) -> tuple[Step, ...]:
    """Raises: DeployFailed for a service that does not run."""
    found = [_service(service, observed) for service in order.workloads]
    return tuple(
        RestartService(
            f"restart {one.service}", f"restart the service {one.service}", ("its tasks are replaced as an update does",),
            service=one.service, at=order.at,
        )
        for one in found
    )  # fmt: skip


def judge_restart(order: RestartOrder, observed: SwarmObserved, seen: Seen, limits: Limits) -> Verdict:
    """Healthy when all tasks run, and were made since the restart."""
    for service in order.workloads:
        found = observed.services.get(service)
        if found is None:
            return Verdict(State.FAILED, f"the swarm has no service {service}", hint="deploy again")
        if found.restarted != order.at:
            return _not_restarted(found)
    return judge_services(_only(order.workloads, observed), seen, limits)


def _not_restarted(found: ServiceFacts) -> Verdict:
    if found.update in ("rollback_completed", "rollback_paused"):
        return Verdict(State.FAILED, f"Swarm rolled {found.service} back: {found.update_said}")
    return Verdict(State.WAITING, f"{found.service} is not yet restarted", f"{found.service}:{found.update}")


def _service(service: str, observed: SwarmObserved) -> ServiceFacts:
    if service not in observed.services:
        raise DeployFailed(f"the swarm has no service {service}", where=service, hint="shipit deploy first")
    return observed.services[service]


def _only(services: Iterable[str], observed: SwarmObserved) -> list[ServiceFacts]:
    return [observed.services[name] for name in services if name in observed.services]
