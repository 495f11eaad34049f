"""What an engine has of a target, and the part of it that nothing needs. Pure.

An image is a target's own where it was sent to the engine for its app and environment, or where it has no tag, and every
digest by which it was pulled is of a repository that deploy.yml pushes to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from shipit.errors import ShipitError
from shipit.http.fields import Field
from shipit.printable import counted, human_bytes
from shipit.reference import parse_reference
from shipit.release import Leftover, Step
from shipit.targets.engine.owner import Owner
from shipit.targets.engine.prune_step import PruneEngine


class StockImage(NamedTuple):
    """A name of an image. `size_bytes` counts layers that other images share, too."""

    name: str
    size_bytes: int = 0


class Stock(NamedTuple):
    """What an engine has of a target that nothing needs, by names, and `notes` on what stays.

    `kept` are the objects of releases that are too old to return to. `spared` counts its own images and stopped containers
    that something needs. `busy` is another target that is being changed there: while it is, images and networks stay.
    """

    containers: tuple[str, ...] = ()
    images: tuple[StockImage, ...] = ()
    networks: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    spared: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    busy: str = ""


Stocks = Mapping[str, Stock]


def own_images(answer: Field, owner: Owner, repositories: Collection[str]) -> Iterator[tuple[str, StockImage]]:
    """The id and each name of the images that are a target's own, in the answer of GET /images/json."""
    for row in answer.rows():
        tags = [name.text() for name in row["RepoTags"].rows() if _is_name(name.text())]
        pinned = [name.text() for name in row["RepoDigests"].rows() if _is_name(name.text())]
        if tags and all(owner.is_sent_image(tag) for tag in tags):
            names = tags
        elif not tags and pinned and all(_repository(name) in repositories for name in pinned):
            names = pinned
        else:
            continue
        for name in names:
            yield row["Id"].required(), StockImage(name, row["Size"].whole())


def unneeded(found: Sequence[tuple[str, StockImage]], needed: Collection[str]) -> tuple[StockImage, ...]:
    """Those of the images that neither a container nor a release has, sorted by name. `needed` are ids and names of images."""
    names = {*needed, *map(whole_name, needed)}
    used = {identity for identity, image in found if identity in names or whole_name(image.name) in names}
    return tuple(sorted(image for identity, image in found if identity not in used))


def plan_prune(stocks: Stocks) -> tuple[Step, ...]:
    """One step for each engine that has something to remove."""
    return tuple(step for host, stock in stocks.items() for step in _steps(host, stock))


def only_images(stock: Stock) -> Stock:
    """The images of a stock, and why they stay: what `destroy` removes when everything else of a target is gone."""
    return Stock(images=stock.images, busy=stock.busy)


def image_leftovers(images: Stocks) -> Iterator[Leftover]:
    """The engines whose images stay."""
    return (Leftover(busy_text(host, stock.busy)) for host, stock in images.items() if stock.busy)


def busy_text(host: str, target: str) -> str:
    """Why images stay, as a sentence. `target` is the one that is being changed."""
    return f"images and networks on {host} stay: {target} is being changed there now"


def prune_notes(stocks: Stocks) -> tuple[str, ...]:
    return tuple(note for host, stock in stocks.items() for note in _notes(host, stock))


def _steps(host: str, stock: Stock) -> Iterator[PruneEngine]:
    if not (stock.containers or stock.images or stock.networks or stock.kept):
        return
    detail = [f"container {name}" for name in stock.containers]
    detail += [f"image {image.name}  {human_bytes(image.size_bytes)}" for image in stock.images]
    detail += [f"network {name}" for name in stock.networks]
    detail += [f"{name}, of a release that is too old to return to" for name in stock.kept]
    count = counted(len(detail), "object")
    yield PruneEngine(
        f"prune {host}", f"remove {count} that nothing needs from {host}", tuple(detail), "delete",
        host=host, containers=stock.containers, images=tuple(image.name for image in stock.images),
        networks=stock.networks, kept=stock.kept,
    )  # fmt: skip


def _notes(host: str, stock: Stock) -> Iterator[str]:
    images, containers = stock.spared
    if images or containers:
        parts = [counted(containers, "stopped container")] if containers else []
        parts += [counted(images, "image")] if images else []
        yield f"{' and '.join(parts)} on {host} stay: they run, or a rollback needs them"
    if stock.busy:
        yield f"{busy_text(host, stock.busy)}; run it again when that is over"
    yield from stock.notes


def whole_name(name: str) -> str:
    """The name of an image with its registry, without the tag of one that has a digest."""
    try:
        found = parse_reference(name)
    except ShipitError:
        return name
    return f"{found.name}@{found.digest}" if found.digest else str(found)


def _is_name(text: str) -> bool:
    """False for the names that an engine gives to what has none."""
    return bool(text) and not text.startswith("<none>")


def _repository(name: str) -> str:
    try:
        return parse_reference(name).name
    except ShipitError:
        return ""
