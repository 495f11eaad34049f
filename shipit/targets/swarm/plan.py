"""The steps from a swarm as it is to what it should run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipit.errors import DeployFailed
from shipit.release import Step
from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.observed import GONE, ServiceFacts, SwarmObserved
from shipit.targets.swarm.spec import service_name
from shipit.targets.swarm.steps import PruneService, RunReleaseCommand, ScaleService, UpdateService
from shipit.targets.swarm.wanted import WantedCommand, WantedService

Wanted = Mapping[str, WantedService]
# The state of an update that Swarm stopped, and that does not go on by itself.
PAUSED = ("paused", "rollback_paused")


def check_stack(stack: str, observed: SwarmObserved) -> None:
    """Raises: DeployFailed for a first deploy of a stack that docker made already: both would run."""
    if (others := observed.stacks.get(stack)) and not observed.services:
        what = f"the stack {stack} was made by docker stack deploy, and runs {', '.join(sorted(others)[:5])}"
        hint = (
            f"docker stack rm {stack} removes it, and its volumes stay for this deploy; or choose another name: stack:"
        )
        raise DeployFailed(what, hint=hint)


def plan_swarm(wanted: Wanted, observed: SwarmObserved, command: WantedCommand | None = None) -> tuple[Step, ...]:
    """The release command, the services in the order of deploy.yml, and the removal of those that left it."""
    services = [step for one in wanted.values() if (step := plan_service(one, observed.services.get(one.spec.service)))]
    is_release = any(isinstance(step, UpdateService) for step in services)
    commands = [_command(command)] if command and is_release else []
    prunes = [_prune(found) for name, found in observed.services.items() if name not in wanted]
    return (*commands, *services, *prunes)


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


def plan_service(wanted: WantedService, found: ServiceFacts | None) -> UpdateService | ScaleService | None:
    """One step for a service; None where it is as wanted."""
    service = wanted.spec.service
    if found is not None and wanted.is_met_by(found) and found.update not in PAUSED:
        return None if wanted.has_number(found) else scale_step(found, wanted.count(found))
    return UpdateService(
        service,
        f"{'update' if found else 'create'} the service {service}",
        tuple(_detail(wanted, found)),
        effect="replace" if found else "create",
        undo="shipit rollback" if found else "",
        service=service,
        spec=wanted.spec,
        marks=wanted.marks,
        replicas=wanted.replicas,
        known=found.fingerprint if found else "",
    )


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
    names = sorted(name for name in {*found.marks, *wanted.marks} if found.marks.get(name) != wanted.marks.get(name))
    yield from (f"{name}  {_change(name, found, wanted)}" for name in names)
    if found.drift == (GONE,):
        yield "the settings that shipit kept are gone, so they can't be compared: all of them are set again"
    elif found.drift:
        yield f"changed by someone else, and set back: {', '.join(found.drift)}"
    if found.mode != spec.mode:
        yield f"mode  {found.mode} -> {spec.mode}: the service is removed and created again, and is down meanwhile"
    elif _has_other_settings(found, wanted):
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


def notes_on(owner: Owner, wanted: Wanted, observed: SwarmObserved) -> Iterator[str]:
    """Services of others that have a name which is needed: they are never changed. Nodes that take no task."""
    for service in wanted:
        name = service_name(owner, service)
        if service not in observed.services and name in observed.foreign:
            yield f"the name {name} is taken by a service that shipit did not create here: the deploy will refuse it"
    yield from observed.troubles


def short_image(image: str) -> str:
    """The first twelve digits of the digest of a pinned image."""
    return image.rpartition(":")[2][:12]
