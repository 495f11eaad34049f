"""Scaling and restarting services: the steps, and their verdicts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipit.errors import DeployFailed
from shipit.release import Seen, State, Step, Verdict
from shipit.targets.compose.config import Rollout
from shipit.targets.compose.judge import Limits, judge_containers, judge_ended
from shipit.targets.compose.observed import ComposeObserved, left_beside
from shipit.targets.compose.steps import RestartContainers, ScaleServices
from shipit.targets.compose.stopping import in_order
from shipit.targets.engine.superseded import superseded
from shipit.targets.orders import RestartOrder, ScaleOrder


def plan_scale(order: ScaleOrder, observed: ComposeObserved) -> tuple[Step, ...]:
    """One `up` for all of the services. Raises: DeployFailed where what runs is none of the files that the engine keeps."""
    changed = {
        name: quantity for name, quantity in order.quantities.items() if len(_running(name, observed)) != quantity
    }
    if not changed:
        return ()
    current = observed.current
    if current is None:
        what = "what runs is not what shipit deployed, so its compose file is not known"
        raise DeployFailed(what, where=next(iter(changed)), hint="shipit deploy first")
    for name in changed:
        if name not in current.services:
            raise DeployFailed(f"{name} does not run", where=name, hint="shipit deploy first")
    before = {name: len(_running(name, observed)) for name in changed}
    return (
        ScaleServices(
            "scale",
            f"scale {', '.join(changed)}",
            tuple(f"{name}  {before[name]} -> {quantity}" for name, quantity in changed.items()),
            undo=f"shipit scale {' '.join(f'{name}={quantity}' for name, quantity in before.items())}",
            file=current.file,
            quantities=changed,
        ),
    )


def judge_scale(order: ScaleOrder, observed: ComposeObserved, seen: Seen, limits: Limits) -> Verdict:
    services = observed.made_services
    for name, quantity in order.quantities.items():
        if (found := len(_running(name, observed))) != quantity:
            ended = judge_ended([name], services, observed)
            return ended or superseded(f"{name} has {found} running containers, not {quantity}")
    return judge_containers(order.quantities, services, observed, seen, limits)


def plan_restart(order: RestartOrder, observed: ComposeObserved, rollouts: Mapping[str, Rollout]) -> tuple[Step, ...]:
    """Containers restart one after the other; an only one of `rollouts` while one more of the service serves.

    Raises: DeployFailed for a service that does not run.
    """
    steps: list[Step] = []
    for service, leader in _restarted(order.workloads, observed).items():
        if not _running(service, observed):
            raise DeployFailed(f"{service} does not run", where=service, hint="shipit deploy first")
        steps.append(_restart(service, observed, rollouts.get(service), order.at, leader))
    return tuple(steps)


def _restarted(workloads: Sequence[str], observed: ComposeObserved) -> dict[str, str]:
    """The services that restart -> the one with which each does, as with a service in whose network it runs; empty for `workloads`."""
    found, new = dict.fromkeys(workloads, ""), list(workloads)
    while new:
        leader = new.pop(0)
        more = (name for name, service in observed.made_services.items() if leader in service.follows)
        own = [name for name in more if name not in found and _running(name, observed)]
        found |= dict.fromkeys(own, leader)
        new += own
    return {name: found[name] for name in in_order(list(found), observed)}


def _restart(service: str, observed: ComposeObserved, rollout: Rollout | None, at: str, leader: str) -> Step:
    current, running = observed.current, _running(service, observed)
    left = {one.name for one in left_beside(observed.of(service))}
    own = tuple(name for name in running if name not in left)
    # Compose would start one that has ended, and count it.
    all_run = len(own) + len(left) == len(observed.of(service))
    is_only, is_known = all_run and len(own) == 1, bool(current and service in current.services)
    is_replaced = bool(rollout and rollout.before_stop and all_run and is_known)
    has_beside = bool(rollout and is_only and is_known)
    # Containers that a killed restart left are removed then; otherwise they restart like the others.
    names = own if is_replaced or has_beside else running
    detail = ["the service is down while its only container restarts"]
    if is_replaced:
        detail = ["one more container serves before each is removed, for before_stop runs in a container that ends"]
    elif len(names) > 1:
        detail = ["each container restarts when the one before is ready"]
    elif has_beside:
        detail = ["one more container serves meanwhile, and is removed then"]
    elif rollout and not is_only:
        detail += ["a container that has ended is there, too: after a deploy one more container serves meanwhile"]
    elif not rollout:
        detail += ["with rollout: start-first one more container serves meanwhile"]
    detail += [f"it is restarted with {leader}, as the compose file says"] if leader else []
    return RestartContainers(
        f"restart {service}", f"restart {service}", tuple(detail), service=service, names=names, at=at,
        file=current.file if current and (has_beside or is_replaced) else "", drain_s=rollout.drain_s if rollout else 0.0,
        before_stop=rollout.before_stop if rollout and is_replaced else (),
    )  # fmt: skip


def judge_restart(order: RestartOrder, observed: ComposeObserved, seen: Seen, limits: Limits) -> Verdict:
    """Healthy when every container runs, and started after the plan was made."""
    before = seen.before if isinstance(seen.before, ComposeObserved) else ComposeObserved()
    old = {(one.id, one.started_at) for one in before.containers if one.is_running}
    workloads = tuple(_restarted(order.workloads, before))
    own = [one for name in workloads for one in observed.of(name)]
    if kept := [one.name for one in own if (one.id, one.started_at) in old]:
        return Verdict(State.WAITING, f"{', '.join(kept)} not yet restarted", f"old {' '.join(kept)}")
    services = observed.made_services
    for service in workloads:
        if not observed.of(service):
            return Verdict(State.FAILED, f"{service} has no container", hint="deploy again")
    if ended := judge_ended(workloads, services, observed):
        return ended
    return judge_containers(workloads, services, observed, seen, limits)


def _running(service: str, observed: ComposeObserved) -> tuple[str, ...]:
    return tuple(one.name for one in observed.of(service) if one.is_running)
