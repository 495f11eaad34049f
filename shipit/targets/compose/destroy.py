"""Removing what shipit made of a Compose project. Volumes stay unless the user names them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shipit.release import Destruction, Leftover, Step
from shipit.targets.compose.observed import ComposeObserved
from shipit.targets.compose.steps import RemoveProject
from shipit.targets.engine.stock import Stocks, image_leftovers, plan_prune


class Inventory(NamedTuple):
    """The project as observed; the networks and volumes that Compose made for it; the number of recorded releases and kept files.

    `images`: engine -> those that nothing needs without the target.
    """

    observed: ComposeObserved
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    records: int = 0
    images: Stocks = {}


def plan_destroy(inventory: Inventory, wanted: Destruction) -> tuple[Step, ...]:
    """One step for the project, and one for its images; none where nothing is left."""
    return (*_steps(inventory, wanted), *(plan_prune(inventory.images) if wanted.images else ()))


def _steps(inventory: Inventory, wanted: Destruction) -> tuple[Step, ...]:
    containers = tuple(one.name for one in inventory.observed.containers if one.is_own)
    volumes = tuple(name for name in inventory.volumes if _name(name) in wanted.named)
    if not containers and not volumes and not inventory.records:
        return ()
    networks = inventory.networks if not _strangers(inventory) else ()
    detail = [*(f"container {name}" for name in containers), *(f"network {name}" for name in networks)]
    detail += [f"volume {name}, with its data" for name in volumes]
    detail += ["the records of its releases"] if inventory.records else []
    return (
        RemoveProject(
            "remove", "remove everything of the project", tuple(detail), "delete", bool(volumes),
            "" if volumes else "deploy again", containers=containers, networks=networks, volumes=volumes,
        ),
    )  # fmt: skip


def leftovers(inventory: Inventory, wanted: Destruction) -> Iterator[Leftover]:
    for name in _strangers(inventory):
        yield Leftover(f"the container {name} stays: shipit did not create it")
    for name in inventory.volumes:
        if _name(name) not in wanted.named:
            what = f"the volume {name} stays with its data: --include {_name(name)} removes it"
            yield Leftover(what, _name(name), is_volume=True)
    if wanted.images:
        yield from image_leftovers(inventory.images)


def _strangers(inventory: Inventory) -> tuple[str, ...]:
    return tuple(one.name for one in inventory.observed.containers if not one.is_own)


def _name(volume: str) -> str:
    return f"volume/{volume}"
