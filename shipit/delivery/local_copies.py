"""Copies of built images outside of registries: in a Docker engine, and in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from shipit.config.project import Project
from shipit.delivery.delivery import Delivery
from shipit.delivery.load_image import load_image, needs_emulation
from shipit.delivery.local_blobs import LocalBlobs
from shipit.docker.address import find_named_engine
from shipit.docker.client import Engine
from shipit.errors import BuildError
from shipit.events import StepDone, StepFailed, StepId, StepProgress, StepStarted, Warned
from shipit.image.choice import JOIN_GROUP
from shipit.image.image import BuiltImage
from shipit.image.layers.fetch import ensure_layer
from shipit.image.saved import NamedImage, archive_of
from shipit.parallel import together
from shipit.printable import counted, human_bytes
from shipit.reference import parse_reference
from shipit.release import LoadedImage


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


_START = "start Docker, or name an engine that runs: --engine, or DOCKER_HOST"
_ELSEWHERE = "start the engine there, or name another one; docker context ls lists the contexts"


def load_images(delivery: Delivery, images: Sequence[NamedImage], engine: str = "") -> tuple[LoadedImage, ...]:
    """Give an engine the images under their names. `engine` is an address or a docker context; empty for the local one.

    Raises: BuildError where no engine answers, or it refuses an image.
    """
    with _reachable(delivery, engine) as reached:
        return tuple(_load(delivery, reached, named) for named in images)


@contextmanager
def _reachable(delivery: Delivery, text: str) -> Iterator[Engine]:
    engine = delivery.engine() if not text else _named(delivery, text)
    try:
        if not engine.is_reachable():
            what = f"no Docker engine answers at {engine.address}: {engine.unreachable_reason}"
            raise BuildError(what, hint=JOIN_GROUP if engine.is_denied else _ELSEWHERE if text else _START)
        yield engine
    finally:
        if text:
            engine.close()


def _named(delivery: Delivery, text: str) -> Engine:
    variables = delivery.environment.variables
    return Engine(find_named_engine(text, variables, delivery.environment.home, "--engine"), variables)


def _load(delivery: Delivery, engine: Engine, named: NamedImage) -> LoadedImage:
    image, step = named.image, StepId("load", named.image.name)
    if needs_emulation(engine, image):
        what = f"{image.name} is for {image.platform}, which the engine ({engine.platform}) runs by emulation only"
        delivery.emit(Warned("", what))
    blobs, deadline = LocalBlobs(delivery.store, delivery.registries), delivery.registries.deadline
    with _step(delivery, step, f"load {image.name}") as done:
        loaded = load_image(
            engine, named, blobs, deadline, lambda got, total: delivery.emit(StepProgress(step, got, total))
        )
        done.append(_summary(loaded))
    return loaded


def _summary(loaded: LoadedImage) -> str:
    """`tagged` is for an image that the engine had already."""
    names, identity = ", ".join(loaded.names), loaded.id.short
    if not loaded.sent_bytes:
        return f"tagged {names}  {identity}"
    sent = f"{loaded.sent_layers} of {counted(loaded.layers, 'layer')} sent, {human_bytes(loaded.sent_bytes)}"
    return f"loaded {names}  {identity}  {sent}"


def _archive(delivery: Delivery, images: Sequence[NamedImage]) -> Iterator[bytes]:
    """The archive of images; layers of bases that the cache lacks are fetched first."""
    unique = {layer.digest: layer for named in images for layer in named.image.layers}
    store, source = delivery.store, delivery.registries
    fetches = {digest: partial(ensure_layer, layer, store, source) for digest, layer in unique.items()}
    return archive_of(images, together(fetches, delivery.clock)).stream()


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
