"""Reads what an engine has of a target that nothing needs, and removes it.

What others need is read from the engine, whoever they are: images and networks of all containers, running or not, of the
services of a swarm, and of the files and specs that other targets of shipit keep for rollback.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from shipit.config.project import Project
from shipit.errors import DeployFailed, RemoteError
from shipit.events import Event, Warned
from shipit.http.fields import Field
from shipit.printable import human_bytes
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.facts import has_ended, name_of
from shipit.targets.engine.label_store import Labelled
from shipit.targets.engine.lock import changed_now
from shipit.targets.engine.owner import IMAGE, IMAGES, LOCK, Owner
from shipit.targets.engine.prune_step import PruneEngine
from shipit.targets.engine.stock import Stock, busy_text, own_images, unneeded


class Networks(NamedTuple):
    """The networks of a target: the filters of the engine's list, and `local` or `swarm`; empty for any."""

    filters: str
    scope: str = ""


def own_repositories(project: Project) -> frozenset[str]:
    """The repositories that deploy.yml pushes to."""
    return frozenset(image.repository for image in project.images.values() if image.repository)


def find_stock(
    client: HostClient,
    owner: Owner,
    repositories: Collection[str],
    rows: Sequence[Field],
    gone: Sequence[Field],
    networks: Networks,
    kept: Collection[str] = (),
    gone_services: Collection[str] = (),
    locks: Sequence[Labelled] = (),
) -> Stock:
    """What nothing needs. `rows` are the containers of the engine, and `gone` those of the target that nothing needs.

    `networks` are those of the target. `kept` are the names of objects that the target keeps for
    releases that are too old to return to. `gone_services` are the ids of services of the swarm that need nothing.
    `locks` are those on other engines of the target.

    Raises: RemoteError.
    """
    ids = {row["Id"].required() for row in gone}
    left = [row for row in rows if row["Id"].required() not in ids]
    own = [row for row in left if is_own(row, owner) and has_ended(row)]
    containers = tuple(sorted(name_of(row) for row in gone))
    found = list(own_images(client.images(), owner, repositories))
    services = [row for row in client.swarm_rows("/services") if row["ID"].text() not in gone_services]
    if busy := changed_now([*locks, *engine_locks(client)], owner):
        spared = (len({one for one, _ in found}), len(own))
        notes = tuple(_cache(client))
        return Stock(containers, kept=tuple(sorted(kept)), spared=spared, notes=notes, busy=busy)
    images = unneeded(found, {*_images_of(left), *_service_images(services), *_kept_images(client, kept)})
    used = {*_networks_of(left), *_service_networks(services)}
    free = tuple(
        sorted(
            name for one, name in client.network_ids(networks.filters, networks.scope).items() if not {one, name} & used
        )
    )
    names = {image.name for image in images}
    needed = {identity for identity, image in found if image.name not in names}
    return Stock(containers, images, free, tuple(sorted(kept)), (len(needed), len(own)), tuple(_cache(client)))


def remove_stock(
    step: PruneEngine, client: HostClient, found: Stock, drop: Callable[[str], object], target: str
) -> Iterator[Event]:
    """Remove what a step names and what still nothing needs, as `found` now. `drop` removes an object of a release.

    An image that the engine keeps is a warning with its reason.
    Raises: RemoteError; DeployFailed where it could not be told what nothing needs.
    """
    for name in _still(step.containers, found.containers):
        client.remove(name)
    for name in _still(step.kept, found.kept):
        drop(name)
    for name in _still(step.images, [image.name for image in found.images]):
        if refused := client.remove_image(name):
            yield Warned(target, f"{client.host} keeps the image {name}: {refused}")
    for name in _still(step.networks, found.networks):
        client.remove_network(name)
    if found.busy and (step.images or step.networks):
        raise DeployFailed(busy_text(client.host, found.busy), hint="run it again when that is over")


def is_own(row: Field, owner: Owner) -> bool:
    """True for a container with the labels of a target, in a row of GET /containers/json."""
    return owner.owns(row["Labels"].texts())


def _still(names: Sequence[str], found: Collection[str]) -> Iterator[str]:
    return (name for name in names if name in found)


def _images_of(rows: Sequence[Field]) -> Iterator[str]:
    for row in rows:
        yield from (row["ImageID"].text(), row["Image"].text())


def _networks_of(rows: Sequence[Field]) -> Iterator[str]:
    return (name for row in rows for name, _ in row["NetworkSettings"]["Networks"].items())


def _service_images(services: Sequence[Field]) -> Iterator[str]:
    for row in services:
        # The spec of before is what `docker service rollback` starts.
        for spec in (row["Spec"], row["PreviousSpec"]):
            yield spec["TaskTemplate"]["ContainerSpec"]["Image"].text()


def _service_networks(services: Sequence[Field]) -> Iterator[str]:
    for row in services:
        for spec in (row["Spec"], row["PreviousSpec"]):
            yield from (one["Target"].text() for one in spec["TaskTemplate"]["Networks"].rows())
            yield from (one["Target"].text() for one in spec["Networks"].rows())


def _kept_images(client: HostClient, without: Collection[str]) -> Iterator[str]:
    """The images of kept files and specs of every target of shipit."""
    for volume in client.volumes(_labelled(IMAGES)):
        if volume.name not in without:
            yield from volume.labels.get(IMAGES, "").split()
    for config in client.labelled_configs(_labelled(IMAGE)):
        if config.name not in without:
            yield config.labels.get(IMAGE, "")


def engine_locks(client: HostClient) -> list[Labelled]:
    """The locks of all targets on an engine."""
    filters = _labelled(LOCK)
    return [*client.volumes(filters), *client.labelled_configs(filters)]


def _cache(client: HostClient) -> Iterator[str]:
    """The build cache of an engine does not say whose it is."""
    try:
        size = client.build_cache_bytes()
    except RemoteError:
        return
    if size:
        yield f"{human_bytes(size)} of build cache on {client.host} stay: the engine does not say whose they are; docker --host {client.host} builder prune"


def _labelled(label: str) -> str:
    return json.dumps({"label": [label]})
