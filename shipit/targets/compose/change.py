"""The changes of the services of a Compose project, with their reasons. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from shipit.targets.compose.observed import ComposeObserved, ContainerFacts, Wanted, WantedService


class ServiceChange(NamedTuple):
    """The change of one service, and its reasons. `quantity` is the number of containers afterwards.

    `is_rolled` is whether new containers are started beside the old ones, before those are stopped.
    """

    service: str
    lines: tuple[str, ...]
    quantity: int
    stale: tuple[str, ...] = ()
    is_rolled: bool = False


def service_change(
    name: str,
    wanted: WantedService,
    found: tuple[ContainerFacts, ...],
    before: WantedService | None = None,
    *,
    is_start_first: bool = False,
) -> ServiceChange:
    """Without lines where the service runs as wanted. `before` is the service as it was deployed, where that is known.

    `is_start_first` is whether deploy.yml wants that: a service that can have one container only is replaced stop-first.
    """
    old = [one for one in found if not wanted.is_met_by(one)]
    moved = [one for one in found if one not in old and one.is_outdated]
    can_roll = is_start_first and not wanted.alone and wanted.quantity != 0
    is_rolled = can_roll and any(one.is_running for one in (*old, *moved))
    quantity = _rolled_amount(wanted, found) if is_rolled else wanted.amount(found)
    stale = tuple(one.name for one in old if one.hash == wanted.hash)
    verb = "start-first" if is_rolled else "recreate"
    lines: list[str] = []
    if old:
        removed = [f"{key} removed" for key in (before.marks if before else {}) if key not in wanted.marks]
        reasons = [*(why for one in old for why in differences(one, wanted)), *removed]
        lines += [f"{verb}: {why}" for why in dict.fromkeys(reasons or ["its settings changed"])]
    elif not found and quantity:
        lines.append(f"create, image {short_image(wanted.image)}")
    lines += [
        f"{verb}: {image} names another image on the engine now" for image in dict.fromkeys(one.image for one in moved)
    ]
    lines += () if is_rolled else _mixed(wanted.keeps(found))
    if old and is_start_first and wanted.alone:
        lines.append(f"stop-first, as {wanted.alone}")
    stopped = [one for one in found if one not in old and not wanted.is_served_by(one)]
    lines += [f"start {one.name}, which {one.ended}" for one in stopped[:quantity] if not is_rolled]
    if found and len(found) != quantity and not is_rolled:
        lines.append(f"containers  {len(found)} -> {quantity}")
    return ServiceChange(name, tuple(lines), quantity, stale, is_rolled)


def _mixed(kept: tuple[ContainerFacts, ...]) -> Iterator[str]:
    """Containers with labels of another run than the first one's: Compose gives all of a service the same labels, and recreates these."""
    yield from (
        f"recreate: {one.name} has labels of another run than {kept[0].name}"
        for one in kept
        if one.origin != kept[0].origin
    )


def _rolled_amount(wanted: WantedService, found: tuple[ContainerFacts, ...]) -> int:
    """The wanted number, also when a replacement was interrupted: then the containers of two releases are there."""
    if wanted.quantity is not None:
        return wanted.quantity
    return max(Counter((one.hash, one.is_outdated) for one in found).values(), default=1)


def differences(found: ContainerFacts, wanted: WantedService) -> Iterator[str]:
    if found.image != wanted.image:
        yield f"image {short_image(found.image)} -> {short_image(wanted.image)}"
    yield from (
        f"{name} {'changed' if name in found.marks else 'new'}"
        for name, mark in wanted.marks.items()
        if found.marks.get(name) != mark
    )


def with_followers(wanted: Wanted, observed: ComposeObserved, found: list[ServiceChange]) -> list[ServiceChange]:
    """The changes, with those of services that are restarted with one that is recreated."""
    replaced = {
        change.service for change in found if change.lines and not change.is_rolled and observed.of(change.service)
    }
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


def runs_again(wanted: WantedService, found: tuple[ContainerFacts, ...]) -> bool:
    """Compose starts a container that has ended whenever it starts the project."""
    return bool(found) and all(wanted.may_end and one.has_ended_well for one in found)


def short_image(image: str) -> str:
    """The first twelve digits of the digest of a pinned image; another one as it is written."""
    name, at, digest = image.partition("@")
    return digest.rpartition(":")[2][:12] if at else name
