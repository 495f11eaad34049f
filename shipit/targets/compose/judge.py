"""The health of a Compose project, against what the run wanted: from its containers, not from what Compose said. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from shipit.release import Seen, State, Verdict
from shipit.targets.compose.change import differences, short_image
from shipit.targets.compose.observed import ComposeObserved, ContainerFacts, Wanted, WantedService
from shipit.targets.engine.healthcheck import starting
from shipit.targets.engine.superseded import superseded


class Limits(NamedTuple):
    """Seconds without progress before a failure, and the number of restarts that are allowed."""

    pending_s: float
    restarts: int = 0


def judge_project(wanted: Wanted | None, observed: ComposeObserved, seen: Seen, limits: Limits) -> Verdict:
    """Every service has its containers, made as wanted, in the wanted number, and healthy."""
    if wanted is None:
        return Verdict(State.FAILED, "what should run is not known", hint="deploy again")
    for name, service in wanted.services.items():
        if wrong := _judge_service(name, service, observed.of(name)):
            return wrong
    return judge_containers(wanted.services, wanted.services, observed, seen, limits)


def _judge_service(name: str, wanted: WantedService, found: tuple[ContainerFacts, ...]) -> Verdict | None:
    """The failure of a service that is not made as wanted."""
    for one in found:
        if not wanted.is_met_by(one):
            why = next(iter(differences(one, wanted)), "with other settings")
            what = f"{one.name} runs as {name}, {why}" if one.is_running else f"{one.name} is of {name}, {why}"
            return superseded(what, one.made)
    quantity = wanted.amount(found)
    if len(found) > quantity:
        return superseded(f"{name} has {len(found)} containers, not {quantity}")
    ended = [one for one in found if not wanted.is_served_by(one)]
    if ended:
        last = max(ended, key=lambda one: one.started_at)
        down = "" if any(one.is_running for one in found) else f"{name} is DOWN: none of its containers runs"
        return Verdict(State.FAILED, f"{last.name} {last.ended}", subject=last.id, down=down)
    if len(found) < quantity:
        what = f"{name} has {len(found)} of {quantity} containers"
        return Verdict(State.FAILED, what, hint="deploy again", superseded_by="someone else" if found else "")
    return None


def judge_ended(
    services: Iterable[str], wanted: Mapping[str, WantedService], observed: ComposeObserved
) -> Verdict | None:
    """The failure of a service with a container that has ended, and may not; None where all run or ended well."""
    for one in (one for name in services for one in observed.of(name)):
        service = wanted.get(one.service)
        if not one.is_running and not (service and service.is_served_by(one)):
            return Verdict(State.FAILED, f"{one.name} {one.ended}", subject=one.id)
    return None


def judge_containers(
    services: Iterable[str],
    wanted: Mapping[str, WantedService],
    observed: ComposeObserved,
    seen: Seen,
    limits: Limits,
) -> Verdict:
    """The verdict on the containers of some services: they stay up and are healthy, or have ended as they may."""
    own = [one for name in services for one in observed.of(name)]
    waiting: list[str] = []
    for one in own:
        if wrong := _failure(one, seen, limits):
            return wrong
        waiting += _waits(one, wanted.get(one.service))
    progress = " ".join(sorted(f"{one.name}:{one.state}:{one.health}:{one.restarts}" for one in own))
    if not waiting:
        return Verdict(State.HEALTHY, "; ".join(_summaries(own)), progress)
    if seen.unchanged_s > limits.pending_s + max((one.undecided_s for one in own), default=0.0):
        what = f"{'; '.join(waiting)} for {seen.unchanged_s:.0f} s"
        return Verdict(State.FAILED, what, progress, subject=own[0].id)
    return Verdict(State.WAITING, "; ".join(waiting), progress, parts=tuple(waiting))


def _failure(one: ContainerFacts, seen: Seen, limits: Limits) -> Verdict | None:
    restarts = one.restarts - _restarts_before(one, seen)
    if restarts > limits.restarts or (one.state == "restarting" and limits.restarts == 0):
        times = "once" if one.restarts == 1 else f"{one.restarts} times"
        return Verdict(State.FAILED, f"{one.name} {one.ended}, and was restarted {times}", subject=one.id)
    if one.state == "paused":
        return Verdict(State.FAILED, f"{one.name} is paused", hint=f"docker unpause {one.name}")
    if one.health == "unhealthy":
        said = f": {one.said}" if one.said else ""
        return Verdict(State.FAILED, f"{one.name} is unhealthy{said}", subject=one.id)
    return None


def _restarts_before(one: ContainerFacts, seen: Seen) -> int:
    """The restarts of a container that ran already when the plan was made."""
    before = seen.before.containers if isinstance(seen.before, ComposeObserved) else ()
    return next((old.restarts for old in before if old.id == one.id and old.started_at == one.started_at), 0)


def _waits(one: ContainerFacts, wanted: WantedService | None) -> Iterator[str]:
    if wanted is not None and wanted.may_end and one.has_ended_well:
        return
    if one.state != "running":
        yield f"{one.name} is {one.state}"
    elif one.health == "starting":
        yield f"{one.name} {starting(one.undecided_s)}"
    elif wanted is not None and wanted.must_end:
        yield f"{one.name} has not ended yet"


def _summaries(own: list[ContainerFacts]) -> Iterator[str]:
    """The facts that were read, and nothing else."""
    for service in dict.fromkeys(one.service for one in own):
        found = [one for one in own if one.service == service]
        images = ", ".join(dict.fromkeys(short_image(one.image) for one in found))
        running = [one for one in found if one.is_running]
        said = [f"{len(running)} running on {images}"] if running else [f"ended with 0 on {images}"]
        if all(one.health == "healthy" for one in found):
            said.append("healthy")
        yield f"{service}: {', '.join(said)}"
