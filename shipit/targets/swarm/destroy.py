"""Removing what shipit made in the swarm. Volumes stay unless the user names them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shipit.release import Destruction, Leftover, Step
from shipit.targets.engine.stock import Stocks, image_leftovers, plan_prune
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.steps import RemoveAll


class Inventory(NamedTuple):
    """The swarm with all services of the target; the volumes of its services on the manager; the number of recorded releases.

    `others` counts configs and secrets. `images`: manager -> those that nothing needs without the target. `of_docker`: kind and name of
    what `docker stack deploy` made for the stack beside its services.
    """

    observed: SwarmObserved
    volumes: tuple[str, ...] = ()
    records: int = 0
    others: int = 0
    images: Stocks = {}
    of_docker: tuple[tuple[str, str], ...] = ()


def plan_destroy(inventory: Inventory, wanted: Destruction) -> tuple[Step, ...]:
    """One step for the swarm, and one for the images on the manager; none where nothing is left."""
    return (*_steps(inventory, wanted), *(plan_prune(inventory.images) if wanted.images else ()))


def _steps(inventory: Inventory, wanted: Destruction) -> tuple[Step, ...]:
    services = tuple(found.name for found in inventory.observed.own.values())
    volumes = tuple(name for name in inventory.volumes if _name(name) in wanted.named)
    if not services and not volumes and not inventory.records and not inventory.others:
        return ()
    detail = [*(f"service {name}" for name in services), *(f"volume {name}, with its data" for name in volumes)]
    detail += [f"{inventory.others} configs and secrets"] if inventory.others else []
    detail += ["the records of its releases"] if inventory.records else []
    step = RemoveAll(
        "remove", "remove everything of the target in the swarm", tuple(detail), "delete", bool(volumes),
        "" if volumes else "deploy again", services=services, volumes=volumes,
    )  # fmt: skip
    return (step,)


def leftovers(inventory: Inventory, wanted: Destruction) -> Iterator[Leftover]:
    for name in inventory.volumes:
        if _name(name) not in wanted.named:
            what = f"the volume {name} on the manager stays with its data: --include {_name(name)} removes it"
            yield Leftover(what, _name(name), is_volume=True)
    for found in inventory.observed.services.values():
        if not found.is_own:
            yield Leftover(f"the service {found.name} stays: docker stack deploy made it")
    for kind, name in inventory.of_docker:
        data = " with its data" if kind == "volume" else ""
        yield Leftover(f"the {kind} {name} stays{data}: docker stack deploy made it; docker {kind} rm {name}")
    if wanted.images:
        yield from image_leftovers(inventory.images)


def _name(volume: str) -> str:
    return f"volume/{volume}"
