"""The steps that bring back kept specs: those of a release, or those that ran before a deploy. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shipit.past_release import PastRelease
from shipit.printable import Name
from shipit.targets.swarm.observed import ServiceFacts, SwarmObserved
from shipit.targets.swarm.plan import short_image
from shipit.targets.swarm.steps import RemoveService, RestoreService


class Record(NamedTuple):
    """A release as the swarm keeps it. `services`: service -> the config that keeps its spec. Newer ones have a higher `sequence`."""

    past: PastRelease
    services: Mapping[Name, Name] = {}
    sequence: int = 0


def plan_back(wanted: Mapping[str, str], observed: SwarmObserved) -> tuple[RestoreService | RemoveService, ...]:
    """A step for each service that runs another spec than the wanted one. `wanted`: service -> kept spec."""
    return tuple(_steps(wanted, observed))


def _steps(wanted: Mapping[str, str], observed: SwarmObserved) -> Iterator[RestoreService | RemoveService]:
    for service, kept in wanted.items():
        found = observed.services.get(service)
        if found is None or found.kept != kept or found.drift:
            yield _restore(service, kept, found, observed)
    for service in observed.own:
        if service not in wanted:
            yield RemoveService(
                f"remove {service}", f"remove the service {service}", effect="delete", undo="deploy again",
                service=service,
            )  # fmt: skip


def _restore(service: str, kept: str, found: ServiceFacts | None, observed: SwarmObserved) -> RestoreService:
    image = short_image(observed.kept[kept].image) if kept in observed.kept else "its earlier image"
    before = short_image(found.image) if found else "none"
    detail = (f"image  {before} -> {image}",) if before != image else ("settings or values change",)
    return RestoreService(
        service, f"bring back the service {service}", detail, effect="replace", undo="deploy again", service=service,
        kept=kept, known=found.fingerprint if found else "",
    )  # fmt: skip


def missing(record: Record, observed: SwarmObserved) -> str:
    """Why the swarm can't return to a release; empty where it keeps all its specs."""
    if not record.services:
        return "it is not known which services it had"
    gone = [service for service, kept in record.services.items() if kept not in observed.kept]
    return f"the swarm does not keep the spec of {gone[0]} any more" if gone else ""
