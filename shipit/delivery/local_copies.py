"""Copies of built images on this machine: in its Docker engine, and in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from shipit.config.project import Project
from shipit.delivery.delivery import Delivery
from shipit.digest import Digest
from shipit.docker.client import Engine
from shipit.errors import BuildError
from shipit.events import StepDone, StepFailed, StepId, StepStarted
from shipit.image.choice import START_ENGINE
from shipit.image.image import BuiltImage
from shipit.image.layers.fetch import ensure_layer
from shipit.image.saved import NamedImage, archive_stream
from shipit.parallel import together
from shipit.printable import human_bytes
from shipit.reference import parse_reference


def named_image(project: Project, image: BuiltImage) -> NamedImage:
    """An image with the names that it gets in a registry: its repository with each of its tags.

    Without a repository its name is made of the app's and its own, as Compose does it.
    """
    config = project.images[image.name]
    if config.use is not None:
        used = parse_reference(config.use)
        return NamedImage(image, (f"{used.name}:{used.tag or 'latest'}",))
    own = project.app if image.name == project.app else f"{project.app}-{image.name}"
    repository = parse_reference(config.repository or own.lower()).name
    tags = (tag.replace("{config}", image.config_digest.short) for tag in project.tags(image.name))
    return NamedImage(image, tuple(dict.fromkeys(f"{repository}:{tag}" for tag in tags)) or (f"{repository}:latest",))


def save_images(delivery: Delivery, images: Sequence[NamedImage], file: str, write: Callable[[bytes], object]) -> None:
    """Write the images as one archive. `file` names it in events."""
    with _step(delivery, StepId("save", file), f"save {file}") as done:
        size = 0
        for chunk in _archive(delivery, images):
            write(chunk)
            size += len(chunk)
        done.append(f"saved {file}  {human_bytes(size)}")


def load_images(delivery: Delivery, images: Sequence[NamedImage]) -> None:
    """Give the local engine the images under their names. One that it has already is tagged only.

    Raises: BuildError where no engine answers, or it refuses an image.
    """
    engine = delivery.engine()
    if not engine.is_reachable():
        what = f"no Docker engine answers at {engine.address}: {engine.unreachable_reason}"
        raise BuildError(what, hint=START_ENGINE)
    for named in images:
        with _step(delivery, StepId("load", named.image.name), f"load {named.image.name}") as done:
            present = _name_in(engine, named.image)
            if present is None:
                engine.load(_archive(delivery, [named]))
            else:
                _tag(engine, present, named.names)
            done.append(f"{'loaded' if present is None else 'tagged'} {', '.join(named.names)}")


def _name_in(engine: Engine, image: BuiltImage) -> str | None:
    """What the engine calls an image that it has already; None when it lacks it.

    An engine with containerd's image store knows an image by its manifest's digest.
    """
    names = (image.engine_name, str(image.config_digest), str(Digest.of(image.manifest("oci"))))
    return next((name for name in names if name and engine.inspect(name)), None)


def _tag(engine: Engine, present: str, names: Sequence[str]) -> None:
    for name in names:
        repository, _, tag = name.rpartition(":")
        engine.tag(present, repository, tag)


def _archive(delivery: Delivery, images: Sequence[NamedImage]) -> Iterator[bytes]:
    """The archive of images; layers of bases that the cache lacks are fetched first."""
    unique = {layer.digest: layer for named in images for layer in named.image.layers}
    store, source = delivery.store, delivery.registries
    fetches = {digest: partial(ensure_layer, layer, store, source) for digest, layer in unique.items()}
    return archive_stream(images, together(fetches, delivery.clock))


@contextmanager
def _step(delivery: Delivery, step: StepId, doing: str) -> Iterator[list[str]]:
    """Reports a unit of work; the block adds the summary of what was done."""
    started, summary = delivery.clock.now(), list[str]()
    delivery.emit(StepStarted(step, doing))
    try:
        yield summary
    except Exception as error:
        delivery.emit(StepFailed(step, doing, str(error), delivery.clock.now() - started))
        raise
    delivery.emit(StepDone(step, summary[0], delivery.clock.now() - started))
