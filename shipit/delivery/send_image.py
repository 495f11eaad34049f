"""Sends an image to an engine that lacks it, without the layers that the engine has with other images."""

from __future__ import annotations

from typing import NamedTuple

from shipit.clock import Deadline
from shipit.delivery.kept_layers import in_same_chain, lacking_bytes, likely_relatives, with_same_blobs
from shipit.delivery.local_blobs import LocalBlobs
from shipit.delivery.meter import Meter, Progress
from shipit.digest import Digest
from shipit.docker.engine_image import EngineImage
from shipit.docker.image_store import ImageStore, LoadRefused, StoreKind
from shipit.image.saved import NamedImage, archive_of

# The most images of the engine that are compared; they are not where less than this is left to send.
_MOST_COMPARED, _WORTHWHILE_BYTES = 40, 1024 * 1024
_ZSTD = "the base has zstd-compressed layers, which this engine may be too old for: use a newer engine, or a base with gzip layers"


class Sent(NamedTuple):
    """The number of layers in the archive that was sent, and its size."""

    layers: int = 0
    size_bytes: int = 0


def send_image(
    store: ImageStore,
    kind: StoreKind,
    named: NamedImage,
    blobs: LocalBlobs,
    deadline: Deadline,
    progress: Progress,
) -> Sent:
    """Fetch and send what the engine lacks. Raises: LoadRefused; BuildError, RemoteError, DeadlinePassed, Interrupted."""
    # Other products may remove an image without a name at once.
    sending = _Sending(store, named if kind == "other" else NamedImage(named.image, ()), blobs, deadline, progress)
    try:
        if kept := _kept_layers(store, kind, named, blobs):
            try:
                return sending.without(kept)
            except LoadRefused:
                # Another program removed layers since, or the manifest that is known here is not all that counts.
                pass
        return sending.without(frozenset())
    except LoadRefused as error:
        if kind == "classic" and any(layer.compression == "zstd" for layer in named.image.layers):
            error.hint = error.hint or _ZSTD
        if kind == "containerd":
            # The engine keeps the manifest of an image that it could not unpack.
            store.remove_unnamed(Digest.of(named.image.manifest("oci")))
        raise


def lacking_layers(store: ImageStore, kind: StoreKind, named: NamedImage, blobs: LocalBlobs) -> Sent:
    """The number of layers of an image that an engine lacks, and their size. Reads only."""
    kept = _kept_layers(store, kind, named, blobs)
    sizes = {layer.digest: layer.size_bytes for layer in named.image.layers if layer.digest not in kept}
    return Sent(len(sizes), sum(sizes.values()))


def _kept_layers(store: ImageStore, kind: StoreKind, named: NamedImage, blobs: LocalBlobs) -> frozenset[Digest]:
    """The layers that the engine has with other images."""
    kept: frozenset[Digest] = frozenset()
    if kind == "other":
        return kept
    for relative in likely_relatives(named, store.images(), _MOST_COMPARED):
        if lacking_bytes(named.image, kept) < _WORTHWHILE_BYTES:
            break
        if found := store.find(relative.id):
            kept |= _shared(kind, named, found, blobs)
    return kept


def _shared(kind: StoreKind, named: NamedImage, found: EngineImage, blobs: LocalBlobs) -> frozenset[Digest]:
    if kind == "classic":
        return in_same_chain(named.image, found)
    return with_same_blobs(named.image, found, blobs.known_layers(found))


class _Sending(NamedTuple):
    store: ImageStore
    named: NamedImage
    blobs: LocalBlobs
    deadline: Deadline
    progress: Progress

    def without(self, kept: frozenset[Digest]) -> Sent:
        """Fetch and send all layers except those of `kept`."""
        layers = {layer.digest: layer for layer in self.named.image.layers if layer.digest not in kept}
        archive = archive_of([self.named], {digest: self.blobs.store.path(digest) for digest in layers})
        missing = self.blobs.missing(layers.values())
        meter = Meter(archive.size_bytes + sum(layer.size_bytes for layer in missing), self.progress)
        self.blobs.fetch(missing, self.deadline.clock, meter.add)
        self.store.load(archive.stream(), meter.add)
        return Sent(len(layers), archive.size_bytes)
