"""Waits until new containers are ready, before the old ones are stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shipit.errors import DeployFailed
from shipit.targets.docker.observed import ContainerFacts
from shipit.targets.docker.probe import probe
from shipit.targets.docker.setting import Setting
from shipit.targets.docker.steps import ReplaceService, RestartService
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.healthcheck import starting
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
    began_s, pauses = clock.now(), ready_pauses()
    # Name -> the reason to wait, and since when it is that one.
    waiting = dict.fromkeys(names, ("", began_s))
    while waiting:
        for name, (said, since_s) in list(waiting.items()):
            found = read(name)
            reason = _reason(found, step, client, setting, clock.now() - began_s)
            if not reason:
                del waiting[name]
                continue
            since_s = since_s if reason == said else clock.now()
            waiting[name] = reason, since_s
            limit_s = setting.pending_s + (found.undecided_s if found else 0.0)
            if clock.now() - since_s > limit_s:
                raise _failure(f"{name} on {step.host} {reason} for {limit_s:.0f} s", name, client, setting)
        if waiting:
            reasons = "; ".join(f"{name} {reason}" for name, (reason, _) in waiting.items())
            setting.session.deadline.sleep(next(pauses), f"{step.service} on {step.host}: {reasons}")


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
            return "is created"
        raise _failure(f"{found.name} on {step.host} {found.ended}", found.id, client, setting)
    if found.state == "paused":
        raise _failure(f"{found.name} on {step.host} is paused", found.id, client, setting)
    if found.health == "unhealthy":
        said = f": {found.said}" if found.said else ""
        raise _failure(f"{found.name} on {step.host} is unhealthy{said}", found.id, client, setting)
    if found.health == "starting":
        return starting(found.undecided_s)
    if step.health is not None:
        answer = probe(client.engine, step.health, found.address, setting.session)
        return "" if answer.is_good else f"runs, but {answer.summary}"
    return "" if found.health or since_s >= setting.steady_s else "runs"


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
