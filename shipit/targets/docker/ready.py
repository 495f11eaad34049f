"""Waits until new containers are ready, before the old ones are stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shipit.errors import DeployFailed
from shipit.targets.docker.observed import ContainerFacts
from shipit.targets.docker.probe import probe
from shipit.targets.docker.setting import Setting
from shipit.targets.docker.steps import ReplaceService, RestartService
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.pauses import ready_pauses

_PROBE_S = 5.0


def await_ready(
    names: Sequence[str],
    step: ReplaceService | RestartService,
    client: HostClient,
    setting: Setting,
    read: Callable[[str], ContainerFacts | None],
) -> None:
    """Returns when each container runs, is healthy by its health check or the image's HEALTHCHECK, and answers its health path.

    One with neither has to run for `steady_s`. Raises: DeployFailed with the last lines of one that ends, is unhealthy or
    makes no progress for `pending_s` and the time that its health check may take.
    """
    clock = setting.session.clock
    waiting = dict.fromkeys(names, clock.now())
    said, moved_s, pauses = "", clock.now(), ready_pauses()
    while waiting:
        for name, since_s in list(waiting.items()):
            found = read(name)
            reason = _reason(found, step, client, setting, clock.now() - since_s)
            if not reason:
                del waiting[name]
            elif reason != said:
                said, moved_s = reason, clock.now()
            limit_s = setting.pending_s + (found.undecided_s if found else 0.0)
            if reason and clock.now() - moved_s > limit_s:
                what = f"{name} on {step.host}: {reason} for {limit_s:.0f} s"
                raise _failure(what, name, client, setting)
        if waiting:
            setting.session.deadline.sleep(next(pauses), f"{step.service} on {step.host}: {said}")


def _reason(
    found: ContainerFacts | None,
    step: ReplaceService | RestartService,
    client: HostClient,
    setting: Setting,
    since_s: float,
) -> str:
    """The reason to wait for a container; empty when it is ready. Raises: DeployFailed when it has failed."""
    if found is None:
        raise DeployFailed(f"a container of {step.service} was removed by someone else", where=setting.target)
    if not found.is_running or found.restarts > setting.restarts or found.state == "restarting":
        if found.state == "created":
            return "it is created"
        raise _failure(f"{found.name} on {step.host} {found.ended}", found.id, client, setting)
    if found.health == "unhealthy":
        said = f": {found.said}" if found.said else ""
        raise _failure(f"{found.name} on {step.host} is unhealthy{said}", found.id, client, setting)
    if found.health == "starting":
        return "its health check is starting"
    if step.health is not None:
        answer = probe(client.engine, step.health, found.address, setting.session)
        return "" if answer.is_good else answer.summary
    return "" if found.health or since_s >= setting.steady_s else "it runs"


def not_serving(found: ContainerFacts, step: RestartService, client: HostClient, setting: Setting) -> str:
    """The reason why a container that runs does not serve, also after the deadline; empty for one that does."""
    if not found.is_serving:
        return found.runs_as
    if step.health is None:
        return ""
    answer = probe(client.engine, step.health, found.address, setting.session, _PROBE_S)
    return "" if answer.is_good else f"runs, but {answer.summary}"


def _failure(what: str, container: str, client: HostClient, setting: Setting) -> DeployFailed:
    hint = "" if "GET " not in what else "check the path of health:, and the port that the app listens on"
    return DeployFailed(what, where=setting.target, hint=hint, detail=client.within(15.0).last_lines(container))
