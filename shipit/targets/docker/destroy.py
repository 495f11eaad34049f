"""Removing what shipit made on the hosts of a target. Volumes stay unless the user names them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shipit.release import Destruction, Leftover, Step
from shipit.targets.docker.observed import DockerObserved
from shipit.targets.docker.steps import RemoveAll
from shipit.targets.engine.stock import Stocks, image_leftovers, plan_prune


class Inventory(NamedTuple):
    """The hosts with all containers of the target; host -> volumes of its services; host -> number of recorded releases.

    `images`: host -> those that nothing needs without the target.
    """

    observed: DockerObserved
    volumes: Mapping[str, tuple[str, ...]] = {}
    records: Mapping[str, int] = {}
    images: Stocks = {}


def plan_destroy(inventory: Inventory, wanted: Destruction) -> tuple[Step, ...]:
    """One step for each host that has something of the target, then one for each that has images to remove."""
    steps = tuple(step for host in inventory.observed.hosts for step in _steps(host, inventory, wanted))
    return (*steps, *plan_prune(inventory.images)) if wanted.images else steps


def _steps(host: str, inventory: Inventory, wanted: Destruction) -> Iterator[RemoveAll]:
    facts = inventory.observed.hosts[host]
    containers = tuple(one.name for one in facts.containers)
    routes = facts.proxy.routes if facts.proxy else {}
    volumes = tuple(name for name in inventory.volumes.get(host, ()) if _name(name) in wanted.named)
    records = inventory.records.get(host, 0)
    if not containers and not volumes and not records and not routes:
        return
    detail = [*(f"container {name}" for name in containers), *(f"volume {name}, with its data" for name in volumes)]
    detail += [f"route {', '.join(route.hosts)}" for route in routes.values()]
    detail += ["the records of its releases"] if records else []
    yield RemoveAll(
        f"remove {host}", f"remove everything of the target on {host}", tuple(detail), "delete", bool(volumes),
        "" if volumes else "deploy again", host=host, containers=containers, volumes=volumes,
    )  # fmt: skip


def leftovers(inventory: Inventory, wanted: Destruction) -> Iterator[Leftover]:
    for host, names in inventory.volumes.items():
        for name in names:
            if _name(name) not in wanted.named:
                what = f"the volume {name} on {host} stays with its data: --include {_name(name)} removes it"
                yield Leftover(what, _name(name), is_volume=True)
    if wanted.images:
        yield from image_leftovers(inventory.images)


def _name(volume: str) -> str:
    return f"volume/{volume}"
