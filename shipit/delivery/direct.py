"""Sends the images of a run straight to Docker engines, without a registry."""

from __future__ import annotations

from shipit.clock import Deadline
from shipit.delivery.delivery import Delivery
from shipit.delivery.load_image import load_image
from shipit.delivery.local_blobs import LocalBlobs
from shipit.delivery.meter import Progress
from shipit.delivery.send_image import Sent, lacking_layers
from shipit.docker.client import Engine
from shipit.docker.image_store import ImageStore
from shipit.errors import BuildError
from shipit.image.saved import NamedImage
from shipit.release import Image, LoadedImage


def load_direct(
    delivery: Delivery, image: Image, name: str, engine: Engine, deadline: Deadline, progress: Progress
) -> LoadedImage:
    """Give an engine an image of this run under a name. Raises: as `load_image` does."""
    blobs = LocalBlobs(delivery.store, delivery.registries)
    return load_image(engine, _named(delivery, image, name), blobs, deadline, progress)


def measure_direct(delivery: Delivery, image: Image, name: str, engine: Engine, deadline: Deadline) -> Sent:
    """The number of layers that an engine lacks of an image of this run, and their size. Raises: BuildError, RemoteError."""
    store = ImageStore(engine, deadline)
    blobs = LocalBlobs(delivery.store, delivery.registries)
    return lacking_layers(store, store.kind(), _named(delivery, image, name), blobs)


def _named(delivery: Delivery, image: Image, name: str) -> NamedImage:
    built = delivery.built.get((image.name, image.use.platform))
    if built is None or built.config_digest != image.config_digest:
        raise BuildError(f"this run has not built the image {image.name}", hint="deploy again")
    return NamedImage(built, (name,))
