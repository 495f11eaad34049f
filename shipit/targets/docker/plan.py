"""The steps from Docker hosts as they are to what they should run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from shipit.printable import counted, human_bytes
from shipit.release import Image, Step
from shipit.targets.docker.observed import ContainerFacts, DockerObserved, HostFacts, Lacking
from shipit.targets.docker.proxy.plan import (
    ProxySpec,
    plan_proxy,
    plan_route,
    plan_unroutes,
    route_detail,
    taken_hosts,
)
from shipit.targets.docker.proxy.route import dial
from shipit.targets.docker.proxy.steps import SetRoute
from shipit.targets.docker.spec import container_name
from shipit.targets.docker.steps import PullImage, ReplaceService, RunReleaseCommand, SendImage, StopService
from shipit.targets.docker.wanted import WantedCommand, WantedService, names_of
from shipit.targets.engine.owner import Owner

Wanted = Mapping[str, WantedService]


def plan_docker(
    owner: Owner,
    wanted: Wanted,
    observed: DockerObserved,
    images: Mapping[str, Image],
    command: WantedCommand | None = None,
    proxy: ProxySpec | None = None,
) -> tuple[Step, ...]:
    """The images on every host, the release command on the first one, the services host by host, the stop of what left deploy.yml.

    `images` by their pinned names.
    """
    services = [
        step
        for host, facts in observed.hosts.items()
        for name in wanted
        if (step := plan_service(owner, host, wanted[name], facts, is_only=len(observed.hosts) == 1))
    ]
    proxies = [
        step
        for host, facts in observed.hosts.items()
        for step in (plan_proxy(host, owner.prefix, proxy, facts.proxy) if proxy else ())
    ]
    replaced = {(step.host, step.service) for step in services}
    routes = [
        route
        for host, facts in observed.hosts.items()
        for service in wanted.values()
        if (host, service.spec.service) not in replaced and (route := _route(host, service, facts))
    ]
    named = {name: service.route for name, service in wanted.items() if service.route}
    unroutes = [step for host, facts in observed.hosts.items() for step in plan_unroutes(host, named, facts.proxy)]
    stops = [step for host, facts in observed.hosts.items() for step in _stops(host, wanted, facts)]
    is_release = any(step.create for step in services)
    first = next(iter(observed.hosts))
    commands = [_command(owner, first, command)] if command and is_release else []
    brought = [
        step
        for host, facts in observed.hosts.items()
        for step in _images(host, wanted, facts, images, command if is_release and host == first else None, services)
    ]
    return (*brought, *proxies, *commands, *services, *routes, *unroutes, *stops)


def _route(host: str, wanted: WantedService, facts: HostFacts) -> SetRoute | None:
    """The step for a service whose containers run as wanted."""
    if wanted.route is None:
        return None
    running = facts.running(wanted.spec.service)
    dials = [dial(one.id, wanted.route.port) for one in running]
    return plan_route(host, wanted.route, dials, tuple(one.name for one in running), facts.proxy)


def _command(owner: Owner, host: str, command: WantedCommand) -> RunReleaseCommand:
    return RunReleaseCommand(
        "release command", f"run the release command on {host}", (f"in {short_image(command.spec.image)}",), "run",
        host=host, name=f"{container_name(owner, command.spec, command.marks, 1)}-release", spec=command.spec,
        marks=command.marks, timeout_s=command.timeout_s,
    )  # fmt: skip


def _images(
    host: str,
    wanted: Wanted,
    facts: HostFacts,
    images: Mapping[str, Image],
    command: WantedCommand | None,
    services: Iterable[ReplaceService],
) -> Iterator[PullImage | SendImage]:
    """The steps that bring a host the images that it lacks. One that it is sent is needed only where a container is created."""
    needed = [service.spec.image for service in wanted.values()]
    created = {step.spec.image for step in services if step.host == host and step.spec and step.create}
    own = [command.spec.image] if command else []
    for pinned in dict.fromkeys([*needed, *own]):
        image = images[pinned]
        if image.repository and pinned not in facts.images:
            short = image.manifest_digest.short
            yield PullImage(
                f"pull {short} {host}", f"pull {pinned} on {host}", effect="create", host=host, image=pinned,
                platform=image.use.platform,
            )  # fmt: skip
        if not image.repository and pinned in {*created, *own} and lacks_image(image, facts):
            yield SendImage(
                f"send {image.manifest_digest.short} {host}", f"send {image.name} to {host}",
                (_sending(facts.lacks.get(pinned)),), effect="create", host=host, image=pinned,
            )  # fmt: skip


def lacks_image(image: Image, facts: HostFacts) -> bool:
    """True when no image of a host has the digest of the config or of the manifest as its id, and no container runs by it."""
    known = facts.images.union(one.image for one in facts.containers)
    return known.isdisjoint([image.config_digest, image.manifest_digest])


def _sending(lacks: Lacking | None) -> str:
    if lacks is None:
        return "sends what the host lacks"
    return f"sends {counted(lacks.layers, 'layer')}, {human_bytes(lacks.size_bytes)}"


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
        (*_detail(wanted, names, running, stop, is_new=bool(create or start)), *_switch_detail(wanted, stop, facts)),
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
        route=wanted.route,
        serving=tuple(names),
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


def _switch_detail(wanted: WantedService, stop: tuple[str, ...], facts: HostFacts) -> Iterator[str]:
    if wanted.route is None:
        return
    yield from route_detail(wanted.route, facts.proxy)
    if stop:
        yield f"the proxy leads to the new container when it is ready; the old one has {wanted.route.drain_s:.0f} s for its requests"


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
    named = {name: service.route for name, service in wanted.items() if service.route}
    for host, facts in observed.hosts.items():
        yield from taken_hosts(host, named, facts.proxy)
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
