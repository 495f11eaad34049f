"""Brings an image into a Docker engine without a registry: only the layers that it lacks are sent, and the result is checked.

An image gets its names when all of it is there: a load that ends early changes no name.
"""

from __future__ import annotations

from shipit.clock import Deadline
from shipit.delivery.local_blobs import LocalBlobs
from shipit.delivery.meter import Progress
from shipit.delivery.send_image import Sent, send_image
from shipit.digest import Digest
from shipit.docker.client import Engine, StoreKind
from shipit.docker.engine_image import EngineImage
from shipit.docker.image_store import ImageStore, LoadRefused
from shipit.errors import BuildError
from shipit.image.config import parse_config
from shipit.image.engine.export import exported_image
from shipit.image.image import BuiltImage
from shipit.image.saved import NamedImage, archive_of
from shipit.platforms import parse_platform
from shipit.release import LoadedImage


def load_image(
    engine: Engine,
    named: NamedImage,
    blobs: LocalBlobs,
    deadline: Deadline,
    progress: Progress = lambda done, total: None,
) -> LoadedImage:
    """Give an engine an image under its names. Without names, the image is known by the `id` of the result only.

    `engine` has to be reachable. Layers that it has already are neither fetched nor sent. Safe to repeat.
    Raises: BuildError, RemoteError, DeadlinePassed, Interrupted; no name of the engine names a part of an image then.
    """
    store, image = ImageStore(engine, deadline), named.image
    _check_system(engine, image)
    kind, sent = store.kind(), Sent()
    found = _find(store, kind, image, blobs)
    if found is None:
        sent = send_image(store, kind, named, blobs, deadline, progress)
        found = _find(store, kind, image, blobs, is_sent=True)
    if found is None:
        what = f"the engine accepted the image {image.name}, but does not have it"
        raise BuildError(what, where=str(engine.address), hint="run it again; the engine's log may say more")
    for name in named.names:
        store.tag(found.id, name)
        _check_name(store, found.id, name)
    # Tells the next load which blobs the engine has.
    blobs.store.put(image.manifest("oci"))
    return LoadedImage(
        image.name, str(engine.address), found.id, image.config_digest, named.names, len(image.layers), *sent
    )


def needs_emulation(engine: Engine, image: BuiltImage) -> bool:
    """True when the engine's machine runs the image by emulation only."""
    return parse_platform(image.platform) not in parse_platform(engine.platform).runs


def _check_system(engine: Engine, image: BuiltImage) -> None:
    own, wanted = parse_platform(engine.platform), parse_platform(image.platform)
    if own.os != wanted.os:
        what = f"the engine runs on {own}, and the image {image.name} is for {wanted}"
        hint = "use an engine of that system: DOCKER_HOST, or --engine of shipit build"
        raise BuildError(what, where=str(engine.address), hint=hint)


def _find(
    store: ImageStore, kind: StoreKind, image: BuiltImage, blobs: LocalBlobs, *, is_sent: bool = False
) -> EngineImage | None:
    """The image in the engine, proven by its id; None when the engine lacks it, or some of its layers.

    `is_sent`: the engine has just accepted its layers.
    """
    diff_ids = parse_config(image.config).diff_ids
    if image.engine_name and (built := store.find(image.engine_name)):
        exported = exported_image(blobs.store, built.id)
        if exported and Digest.of(exported[0]) == image.config_digest and built.layers == diff_ids:
            return built
    for digest in (image.config_digest, Digest.of(image.manifest("oci"))):
        found = store.find(digest)
        if found is not None and found.id == digest and found.layers == diff_ids:
            return found if is_sent or kind != "containerd" or _has_every_layer(store, image) else None
    return None


def _has_every_layer(store: ImageStore, image: BuiltImage) -> bool:
    """True when containerd's store has every layer of an image: after a failed load it may have only the manifest.

    Tested by loading an archive without layers, of a few KiB: the engine refuses it when it lacks a layer.
    """
    try:
        store.load(archive_of([NamedImage(image, ())], {}).stream())
    except LoadRefused:
        return False
    return True


def _check_name(store: ImageStore, expected: Digest, name: str) -> None:
    found = store.find(name)
    if found is None or found.id != expected:
        what = f"{name} should name {expected.short}, and names {found.id.short if found else 'no image'}"
        raise BuildError(what, where=str(store.engine.address), hint="another program used the name; run it again")
