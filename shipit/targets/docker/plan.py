"""The steps from Docker hosts as they are to what they should run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipit.release import ImageUse, Step
from shipit.targets.docker.observed import ContainerFacts, DockerObserved, HostFacts
from shipit.targets.docker.spec import container_name
from shipit.targets.docker.steps import PullImage, ReplaceService, RunReleaseCommand, StopService
from shipit.targets.docker.wanted import WantedCommand, WantedService, names_of
from shipit.targets.host_owner import Owner

Wanted = Mapping[str, WantedService]


def plan_docker(
    owner: Owner,
    wanted: Wanted,
    observed: DockerObserved,
    uses: Mapping[str, ImageUse],
    command: WantedCommand | None = None,
) -> tuple[Step, ...]:
    """Pulls on every host, the release command on the first one, the services host by host, the stop of what left deploy.yml.

    `uses`: pinned image -> how it is used.
    """
    services = [
        step
        for host, facts in observed.hosts.items()
        for name in wanted
        if (step := plan_service(owner, host, wanted[name], facts, is_only=len(observed.hosts) == 1))
    ]
    stops = [step for host, facts in observed.hosts.items() for step in _stops(host, wanted, facts)]
    is_release = any(step.create for step in services)
    first = next(iter(observed.hosts))
    pulls = [
        step
        for host, facts in observed.hosts.items()
        for step in _pulls(host, wanted, facts, uses, command if is_release and host == first else None)
    ]
    commands = [_command(owner, first, command)] if command and is_release else []
    return (*pulls, *commands, *services, *stops)


def _command(owner: Owner, host: str, command: WantedCommand) -> RunReleaseCommand:
    return RunReleaseCommand(
        "release command", f"run the release command on {host}", (f"in {short_image(command.spec.image)}",), "run",
        host=host, name=f"{container_name(owner, command.spec, command.marks, 1)}-release", spec=command.spec,
        marks=command.marks, timeout_s=command.timeout_s,
    )  # fmt: skip


def _pulls(
    host: str, wanted: Wanted, facts: HostFacts, uses: Mapping[str, ImageUse], command: WantedCommand | None
) -> Iterator[PullImage]:
    needed = [service.spec.image for service in wanted.values()]
    for image in dict.fromkeys([*needed, *([command.spec.image] if command else [])]):
        if image not in facts.images:
            short = image.rpartition(":")[2][:12]
            yield PullImage(
                f"pull {short} {host}", f"pull {image} on {host}", effect="create", host=host, image=image,
                platform=uses[image].platform,
            )  # fmt: skip


def plan_service(
    owner: Owner, host: str, wanted: WantedService, facts: HostFacts, *, is_only: bool
) -> ReplaceService | None:
    """One step for a service on a host; None where it runs as wanted."""
    service, names = wanted.spec.service, names_of(owner, wanted, facts)
    found = {name: facts.find(name) for name in names}
    create = {name: names[name] for name, one in found.items() if one is None or not wanted.is_met_by(one)}
    start = tuple(name for name, one in found.items() if name not in create and one and not one.is_running)
    running = facts.running(service)
    stop = tuple(one.name for one in running if one.name not in names or one.name in create)
    if not create and not start and not stop:
        return None
    verb = "replace" if running and (create or start) else "start" if create or start else "stop extra containers of"
    where = "" if is_only else f" on {host}"
    return ReplaceService(
        f"{service} {host}",
        f"{verb} {service}{where}",
        tuple(_detail(wanted, names, running, stop, is_new=bool(create or start))),
        effect="replace" if running else "create",
        undo="start the old containers again, which are kept" if running else "",
        host=host,
        service=service,
        spec=wanted.spec,
        marks=wanted.marks,
        create=create,
        start=start,
        stop=stop,
        known=tuple(one.id for one in running),
        order=order_of(wanted.order, [one for one in running if one.name in stop]),
        health=wanted.health,
    )


def order_of(wanted: str, running: list[ContainerFacts]) -> str:
    """The order of a replacement: what runs may publish a port that deploy.yml does not have any more."""
    return "stop-first" if any(one.is_fixed for one in running) else wanted


def _detail(
    wanted: WantedService, names: Mapping[str, int], running: tuple[ContainerFacts, ...], stop: tuple[str, ...], *, is_new: bool
) -> Iterator[str]:  # fmt: skip
    old = next((one for one in running if one.name in stop), None)
    image = short_image(wanted.spec.image)
    if not running:
        yield f"image  none -> {image}"
    elif old and old.image != wanted.spec.image:
        yield f"image  {short_image(old.image)} -> {image}"
    if old:
        changed = sorted(name for name in {*old.marks, *wanted.marks} if old.marks.get(name) != wanted.marks.get(name))
        yield from (f"{name}  {_change(name, old, wanted)}" for name in changed)
        if old.image == wanted.spec.image and old.spec != wanted.spec.hash:
            yield "settings of the container changed"
    if len(running) != len(names):
        yield f"containers  {len(running)} -> {len(names)}"
    if is_new and stop and order_of(wanted.order, [one for one in running if one.name in stop]) == "stop-first":
        yield "stop-first: the service is down from the stop of the old container until the new one is ready"


def _change(name: str, old: ContainerFacts, wanted: WantedService) -> str:
    return "changed" if name in old.marks and name in wanted.marks else "new" if name in wanted.marks else "removed"


def _stops(host: str, wanted: Wanted, facts: HostFacts) -> Iterator[StopService]:
    for service in facts.services:
        if service not in wanted:
            names = tuple(one.name for one in facts.running(service))
            yield StopService(
                f"stop {service} {host}", f"stop {service} on {host}, no longer in deploy.yml", names, "delete",
                undo=f"docker start {' '.join(names)}", host=host, names=names,
            )  # fmt: skip


def notes_on(owner: Owner, wanted: Wanted, observed: DockerObserved) -> Iterator[str]:
    """Containers of others that stand in the way: they are never changed."""
    for host, facts in observed.hosts.items():
        for one in facts.foreign:
            for service in wanted.values():
                names = names_of(owner, service, facts)
                if one.name in names and facts.find(one.name) is None:
                    yield f"the name {one.name} on {host} is taken by a container that shipit did not create here"
                yield from (
                    f"the port {port} on {host}, which {service.spec.service} publishes, is taken by the container {one.name}"
                    for port in service.spec.publish
                    for other in one.ports
                    if port.host and (port.host, port.protocol) == (other.host, other.protocol)
                )


def short_image(image: str) -> str:
    """The first twelve digits of the digest of a pinned image."""
    return image.rpartition(":")[2][:12]
