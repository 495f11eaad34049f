"""Waits for the containers of services, as the engine sees them, before others are started or stopped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from shipit.errors import DeployFailed
from shipit.targets.compose.observed import ContainerFacts
from shipit.targets.compose.setting import Setting
from shipit.targets.compose.up import containers_of
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.healthcheck import starting
from shipit.targets.engine.pauses import ready_pauses
from shipit.targets.engine.superseded import superseded_error

HEALTHY, ENDED = "service_healthy", "service_completed_successfully"


def await_needs(awaits: Mapping[str, str], client: HostClient, setting: Setting) -> None:
    """Returns when each service is in its condition. Raises: DeployFailed with the last lines of one that can't be."""

    def reasons() -> Iterator[tuple[str, float]]:
        for service, condition in awaits.items():
            found = containers_of(client, setting, service)
            if not found:
                raise DeployFailed(f"{service} has no container", where=setting.target, hint="deploy again")
            for one in found:
                yield _need(one, condition, client, setting), one.undecided_s

    if awaits:
        _await(reasons, setting)


def _need(one: ContainerFacts, condition: str, client: HostClient, setting: Setting) -> str:
    """The reason to wait for a container; empty when it is in the condition."""
    if condition == ENDED:
        if one.is_running or one.state == "created":
            return f"{one.name} has not ended yet"
        if not one.has_ended_well:
            raise _failure(f"{one.name} {one.ended}", one, client, setting)
        return ""
    if condition == HEALTHY:
        return _unready(one, client, setting)
    return f"{one.name} is created" if one.state == "created" else ""


def await_ready(
    service: str, identities: Collection[str], client: HostClient, setting: Setting, steady_s: float = 0.0
) -> None:
    """Returns when each of these containers of a service runs, and is healthy where it has a healthcheck.

    One without a healthcheck has to run for `steady_s`. Raises: DeployFailed with the last lines of one that ends, is unhealthy or makes no
    progress.
    """
    clock = setting.session.clock
    since_s = clock.now()

    def reasons() -> Iterator[tuple[str, float]]:
        found = {one.id: one for one in containers_of(client, setting, service)}
        for identity in identities:
            if identity not in found:
                raise superseded_error(f"a new container of {service} was removed", setting.target)
            is_steady = clock.now() - since_s >= steady_s
            one = found[identity]
            yield _unready(one, client, setting, is_steady=is_steady), one.undecided_s

    _await(reasons, setting)


def _unready(one: ContainerFacts, client: HostClient, setting: Setting, *, is_steady: bool = True) -> str:
    """The reason to wait for a container; empty when it is ready. Raises: DeployFailed when it has failed."""
    if one.state == "created":
        return f"{one.name} is created"
    if not one.is_running or one.restarts > setting.limits.restarts or one.state == "restarting":
        raise _failure(f"{one.name} {one.ended}", one, client, setting)
    if one.health == "unhealthy":
        said = f": {one.said}" if one.said else ""
        raise _failure(f"{one.name} is unhealthy{said}", one, client, setting)
    if one.state == "paused":
        raise _failure(f"{one.name} is paused", one, client, setting)
    if one.health == "starting":
        return f"{one.name} {starting(one.undecided_s)}"
    return "" if one.health or is_steady else f"{one.name} runs"


def _await(reasons: Callable[[], Iterator[tuple[str, float]]], setting: Setting) -> None:
    """`reasons` gives, for each container, why to wait for it, and how long its health check may take."""
    clock = setting.session.clock
    said, moved_s, pauses = "", clock.now(), ready_pauses()
    while found := [one for one in reasons() if one[0]]:
        waiting = "; ".join(reason for reason, _ in found)
        if waiting != said:
            said, moved_s = waiting, clock.now()
        limit_s = setting.limits.pending_s + max(undecided_s for _, undecided_s in found)
        if clock.now() - moved_s > limit_s:
            raise DeployFailed(f"{waiting} for {limit_s:.0f} s", where=setting.target)
        setting.session.deadline.sleep(next(pauses), waiting)


def _failure(what: str, one: ContainerFacts, client: HostClient, setting: Setting) -> DeployFailed:
    return DeployFailed(what, where=setting.target, detail=client.within(15.0).last_lines(one.id))
