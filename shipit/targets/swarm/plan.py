"""The steps from a swarm as it is to what it should run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipit.errors import OwnedByOthers
from shipit.release import Step
from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.observed import GONE, ServiceFacts, SwarmObserved
from shipit.targets.swarm.spec import service_name, stack_service_name
from shipit.targets.swarm.steps import PruneService, RunReleaseCommand, ScaleService, UpdateService
from shipit.targets.swarm.wanted import WantedCommand, WantedService

Wanted = Mapping[str, WantedService]
# The state of an update that Swarm stopped, and that does not go on by itself.
PAUSED = ("paused", "rollback_paused")


def check_stack(target: str, stack: str, wanted: Wanted, observed: SwarmObserved) -> None:
    """Raises: OwnedByOthers where others made the stack, and a deploy would run its services a second time."""
    if (others := observed.others.get(stack)) and not observed.own:
        what = f"the stack {stack} is that of another target: {', '.join(others)}"
        raise OwnedByOthers(what, where=target, hint="choose another name: stack:")
    names = observed.stacks.get(stack, ())
    doubled = {stack_service_name(stack, service) for service in wanted if service not in observed.services}
    if names and (not observed.services or doubled & set(names)):
        what = f"the stack {stack} was made by docker stack deploy, and runs {', '.join(sorted(names)[:5])}"
        hint = "set take_over: true on this target, or answer the question of shipit deploy at a terminal; or choose another name: stack:"
        raise OwnedByOthers(what, where=target, hint=hint)


def plan_swarm(
    wanted: Wanted, observed: SwarmObserved, command: WantedCommand | None = None, stack: str = ""
) -> tuple[Step, ...]:
    """The release command, the services in the order of deploy.yml, and the removal of those that left it. `stack` is that of a stack file."""
    services = [step for one in wanted.values() if (step := _in_stack(one, observed, stack))]
    is_release = any(isinstance(step, UpdateService) for step in services)
    commands = [_command(command)] if command and is_release else []
    prunes = [_prune(found) for name, found in observed.own.items() if name not in wanted]
    return (*commands, *services, *prunes)


def _in_stack(wanted: WantedService, observed: SwarmObserved, stack: str) -> UpdateService | ScaleService | None:
    """The step for a service. A new one beside services that docker named gets a name as they have."""
    service = wanted.spec.service
    is_named_by_docker = any(one.name == stack_service_name(stack, name) for name, one in observed.services.items())
    name = stack_service_name(stack, service) if stack and is_named_by_docker else ""
    return plan_service(wanted, observed.services.get(service), name)


def _command(command: WantedCommand) -> RunReleaseCommand:
    return RunReleaseCommand(
        "release command", "run the release command in the swarm", (f"in {short_image(command.spec.image)}",), "run",
        spec=command.spec, marks=command.marks, timeout_s=command.timeout_s,
    )  # fmt: skip


def _prune(found: ServiceFacts) -> PruneService:
    return PruneService(
        f"remove {found.service}", f"remove the service {found.service}, no longer in deploy.yml", (found.name,),
        "delete", undo="shipit rollback", service=found.service,
    )  # fmt: skip


def plan_service(
    wanted: WantedService, found: ServiceFacts | None, name: str = ""
) -> UpdateService | ScaleService | None:
    """One step for a service; None where it is as wanted. `name` is that of a new one."""
    service = wanted.spec.service
    if found is not None and wanted.is_met_by(found) and found.update not in PAUSED:
        return None if wanted.has_number(found) else scale_step(found, wanted.count(found))
    return UpdateService(
        service,
        _summary(service, found),
        tuple(_detail(wanted, found)),
        effect="replace" if found else "create",
        undo="shipit rollback" if found and found.is_own else "",
        service=service,
        spec=wanted.spec,
        marks=wanted.marks,
        replicas=wanted.replicas,
        known=found.fingerprint if found else "",
        name=found.name if found else name,
    )


def _summary(service: str, found: ServiceFacts | None) -> str:
    if found is not None and not found.is_own:
        return f"take over the service {found.name}, which docker stack deploy made"
    return f"{'update' if found else 'create'} the service {service}"


def scale_step(found: ServiceFacts, replicas: int) -> ScaleService:
    return ScaleService(
        f"scale {found.service}", f"scale the service {found.service}", (f"tasks  {found.replicas} -> {replicas}",),
        undo=f"shipit scale {found.service}={found.replicas}", service=found.service, replicas=replicas,
    )  # fmt: skip


def _detail(wanted: WantedService, found: ServiceFacts | None) -> Iterator[str]:
    spec, image = wanted.spec, short_image(wanted.spec.image)
    if found is None:
        yield f"image  none -> {image}"
        yield "one task on every node" if spec.mode == "global" else f"tasks  0 -> {wanted.replicas or 1}"
        return
    if found.image != spec.image:
        yield f"image  {short_image(found.image)} -> {image}"
    # Of a service that docker made it is not known which of its variables the file has.
    known = wanted.marks if found.is_own else {}
    names = sorted(name for name in {*found.marks, *known} if found.marks.get(name) != wanted.marks.get(name))
    yield from (f"{name}  {_change(name, found, wanted)}" for name in names)
    if not found.is_own:
        yield "its name and its volumes stay; all its settings become those of the stack file"
    elif found.drift == (GONE,):
        yield "the settings that shipit kept are gone, so they can't be compared: all of them are set again"
    elif found.drift:
        yield f"changed by someone else, and set back: {', '.join(found.drift)}"
    if found.mode != spec.mode:
        yield f"mode  {found.mode} -> {spec.mode}: the service is removed and created again, and is down meanwhile"
    elif found.is_own and _has_other_settings(found, wanted):
        yield "settings of the service changed"
    if found.update in PAUSED:
        yield "its last update is paused: its tasks are replaced"
    if not wanted.has_number(found):
        yield f"tasks  {found.replicas} -> {wanted.count(found)}"
    yield f"{spec.update.order}, {spec.update.parallelism or 'all'} at a time"


def _has_other_settings(found: ServiceFacts, wanted: WantedService) -> bool:
    """True where more than the image differs."""
    like = wanted.spec._replace(container=wanted.spec.container._replace(image=found.image))
    return found.spec not in (wanted.spec.hash, like.hash)


def _change(name: str, found: ServiceFacts, wanted: WantedService) -> str:
    return "changed" if name in found.marks and name in wanted.marks else "new" if name in wanted.marks else "removed"


def notes_on(owner: Owner, wanted: Wanted, observed: SwarmObserved, stack: str = "") -> Iterator[str]:
    """Services that are taken over, and those of others that have a name which is needed: they are never changed. Nodes that take no task."""
    if taken := sorted(found.name for found in observed.services.values() if not found.is_own):
        yield f"takes over {', '.join(taken)} of the stack {stack}, which docker stack deploy made; the first deploy can't be undone by shipit rollback"
    if left := sorted({*observed.stacks.get(stack, ())} - {found.name for found in observed.services.values()}):
        yield f"left alone, as docker stack deploy made them and they are not taken over: {', '.join(left)}"
    for service in wanted:
        name = service_name(owner, service)
        if service not in observed.services and name in observed.foreign:
            yield f"the name {name} is taken by a service that shipit did not create here: the deploy will refuse it"
    yield from observed.troubles


def short_image(image: str) -> str:
    """The first twelve digits of the digest of a pinned image."""
    return image.rpartition(":")[2][:12]
