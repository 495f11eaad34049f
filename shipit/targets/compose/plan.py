"""The steps from a Compose project as it is to a rendered file. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from shipit.release import Step
from shipit.targets.compose.observed import ComposeObserved, ContainerFacts, Wanted, WantedService
from shipit.targets.compose.steps import ComposeUp, PullImage, RemoveService, SendImage


class ServiceChange(NamedTuple):
    """The effect of `up` on one service, and its reasons. `quantity` is the number of containers afterwards."""

    service: str
    lines: tuple[str, ...]
    quantity: int
    stale: tuple[str, ...] = ()


def plan_compose(
    project: str, wanted: Wanted, observed: ComposeObserved, sent: Mapping[str, str], *, is_back: bool = False
) -> tuple[Step, ...]:
    """The images, one `up` for the whole project, and the removal of services that left the file; empty when up to date.

    `sent`: name of an image that is sent to the engine -> its digest.
    """
    current = observed.current
    before = current.services if current else {}
    found = [
        service_change(name, service, observed.of(name), before.get(name)) for name, service in wanted.services.items()
    ]
    found = _with_followers(wanted, observed, found)
    changes = [change for change in found if change.lines]
    return (
        *(_images(wanted, observed, sent) if changes else ()),
        *((_up(project, wanted, observed, changes, found, is_back=is_back),) if changes else ()),
        *_removals(wanted, observed),
    )


def _images(wanted: Wanted, observed: ComposeObserved, sent: Mapping[str, str]) -> Iterator[Step]:
    """The steps that bring the engine the images that it lacks."""
    for image in dict.fromkeys(wanted.images.values()):
        if image in observed.images:
            continue
        if "@" in image:
            platform = wanted.platforms.get(image, "")
            name = f"pull {short_image(image)}"
            yield PullImage(name, f"pull {image}", effect="create", image=image, platform=platform)
        elif image in sent:
            yield SendImage(f"send {image}", f"send {image} to the engine", effect="create", image=sent[image])


def _up(
    project: str,
    wanted: Wanted,
    observed: ComposeObserved,
    changes: list[ServiceChange],
    found: list[ServiceChange],
    *,
    is_back: bool,
) -> Step:
    changed = [change.service for change in changes]
    touched = _needed(changed, wanted)
    again = [name for name in wanted.services if name in touched and name not in changed]
    detail = [f"{change.service}  {line}" for change in changes for line in change.lines]
    detail += [f"{name}  runs again" for name in again if _runs_again(wanted.services[name], observed.of(name))]
    has_containers = any(observed.of(change.service) for change in changes)
    verb = "bring back" if is_back else "update" if observed.containers else "start"
    return ComposeUp(
        "up",
        f"{verb} {', '.join(change.service for change in changes)} of the project {project}",
        tuple(detail),
        effect="replace" if has_containers else "create",
        undo="shipit rollback" if observed.current else "",
        file=wanted.file,
        is_kept=wanted.is_kept,
        images=wanted.images,
        platforms=wanted.platforms,
        services=tuple(changed),
        quantities={one.service: one.quantity for one in found if one.quantity > 1 and one.service in touched},
        stale=tuple(name for change in changes for name in change.stale),
        known=tuple(one.id for one in observed.containers),
    )


def _needed(services: Iterable[str], wanted: Wanted) -> frozenset[str]:
    """These services, and those that start before them: Compose starts them, too."""
    found: set[str] = set()
    waiting = list(services)
    while waiting:
        name = waiting.pop()
        if name not in found and name in wanted.services:
            found.add(name)
            waiting += wanted.services[name].needs
    return frozenset(found)


def _with_followers(wanted: Wanted, observed: ComposeObserved, found: list[ServiceChange]) -> list[ServiceChange]:
    """The changes, with those of services that are restarted with one that is recreated."""
    replaced = {change.service for change in found if change.lines and observed.of(change.service)}
    while True:
        more = {
            change.service: other
            for change in found
            for other in wanted.services[change.service].follows
            if other in replaced and change.service not in replaced and observed.of(change.service)
        }
        if not more:
            return found
        replaced |= set(more)
        found = [
            change._replace(lines=(*change.lines, f"restart with {more[change.service]}"))
            if change.service in more
            else change
            for change in found
        ]


def service_change(
    name: str, wanted: WantedService, found: tuple[ContainerFacts, ...], before: WantedService | None = None
) -> ServiceChange:
    """Without lines where the service runs as wanted. `before` is the service as it was deployed, where that is known."""
    quantity = wanted.amount(found)
    old = [one for one in found if not wanted.is_met_by(one)]
    stale = tuple(one.name for one in old if one.hash == wanted.hash)
    lines: list[str] = []
    if old:
        removed = [f"{key} removed" for key in (before.marks if before else {}) if key not in wanted.marks]
        reasons = [*(why for one in old for why in differences(one, wanted)), *removed]
        lines += [f"recreate: {why}" for why in dict.fromkeys(reasons or ["its settings changed"])]
    elif not found and quantity:
        lines.append(f"create, image {short_image(wanted.image)}")
    moved = [one.image for one in found if one not in old and one.is_outdated]
    lines += [f"recreate: {image} names another image on the engine now" for image in dict.fromkeys(moved)]
    stopped = [one for one in found if one not in old and not wanted.is_served_by(one)]
    lines += [f"start {one.name}, which {one.ended}" for one in stopped[:quantity]]
    if found and len(found) != quantity:
        lines.append(f"containers  {len(found)} -> {quantity}")
    return ServiceChange(name, tuple(lines), quantity, stale)


def differences(found: ContainerFacts, wanted: WantedService) -> Iterator[str]:
    if found.image != wanted.image:
        yield f"image {short_image(found.image)} -> {short_image(wanted.image)}"
    yield from (
        f"{name} {'changed' if name in found.marks else 'new'}"
        for name, mark in wanted.marks.items()
        if found.marks.get(name) != mark
    )


def _runs_again(wanted: WantedService, found: tuple[ContainerFacts, ...]) -> bool:
    """Compose starts a container that has ended whenever it starts the project."""
    return bool(found) and all(wanted.may_end and one.has_ended_well for one in found)


def _removals(wanted: Wanted, observed: ComposeObserved) -> Iterator[Step]:
    for service in observed.services:
        names = tuple(one.name for one in observed.of(service) if one.is_own)
        if service not in wanted.services and names:
            yield RemoveService(
                f"remove {service}", f"remove {service}, which left the compose file", names, "delete",
                undo="add it to the file again", names=names,
            )  # fmt: skip


def notes_on(project: str, wanted: Wanted, observed: ComposeObserved) -> Iterator[str]:
    """The objects that a plan takes over, and those that it leaves alone."""
    others = [one for one in observed.containers if not one.is_own]
    if taken := [one.name for one in others if one.service in wanted.services]:
        yield f"takes over the project {project}, which runs already: {', '.join(taken)}; this deploy can't be rolled back"
    if left := [one.name for one in others if one.service not in wanted.services]:
        yield f"left alone, as shipit did not create them: {', '.join(left)}"


def short_image(image: str) -> str:
    """The first twelve digits of the digest of a pinned image; another one as it is written."""
    name, at, digest = image.partition("@")
    return digest.rpartition(":")[2][:12] if at else name
