"""Sends an image to an engine that lacks it, without the layers that the engine has with other images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shipit.clock import Deadline
from shipit.delivery.kept_layers import (
    beginnings,
    cuts_of,
    first_layers,
    in_same_chain,
    lacking_bytes,
    likely_relatives,
    with_same_blobs,
)
from shipit.delivery.local_blobs import LocalBlobs
from shipit.delivery.meter import Meter, Progress
from shipit.digest import Digest
from shipit.docker.client import StoreKind
from shipit.docker.engine_image import EngineImage
from shipit.docker.image_store import ImageStore, LoadRefused
from shipit.image.saved import Archive, NamedImage, archive_of

# The most images of the engine that are compared; they are not where less than this is left to send.
_MOST_COMPARED, _WORTHWHILE_BYTES = 40, 1024 * 1024
# Of an image whose layers are sent in parts, the least that one part has.
_PART_BYTES = 8 * 1024 * 1024
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
    unnamed = NamedImage(named.image, ())
    sending = _Sending(store, named if kind == "other" else unnamed, blobs, deadline, progress, kind != "other")
    try:
        sent = _sent(sending, _kept_layers(store, kind, named, blobs))
        if kind != "other":
            _remove_parts(store, named)
        return sent
    except LoadRefused as error:
        if kind == "classic" and any(layer.compression == "zstd" for layer in named.image.layers):
            error.hint = error.hint or _ZSTD
        if kind == "containerd":
            # The engine keeps the manifest of an image that it could not unpack.
            store.remove_unnamed(Digest.of(named.image.manifest("oci")))
        raise


def _sent(sending: _Sending, kept: frozenset[Digest]) -> Sent:
    if kept:
        try:
            return sending.without(kept)
        except LoadRefused:
            # Another program removed layers since, or the manifest that is known here is not all that counts.
            pass
    return sending.without(frozenset())


def _remove_parts(store: ImageStore, named: NamedImage) -> None:
    """Remove the images of the first layers, those of an earlier send that was interrupted, too: the whole image has their layers."""
    parts = beginnings(named.image)
    for found in store.images() if parts else ():
        if found.id in parts:
            store.remove_unnamed(found.id)


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
    images, parts = store.images(), beginnings(named.image)
    # Images of an interrupted send.
    begun = max((parts[found.id] for found in images if found.id in parts), default=0)
    kept |= first_layers(named.image, begun)
    for relative in likely_relatives(named, images, _MOST_COMPARED):
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
    is_cut: bool

    def without(self, kept: frozenset[Digest]) -> Sent:
        """Fetch and send all layers except those of `kept`, in parts: what a part brought is there when the next is interrupted."""
        image = self.named.image
        layers = {layer.digest: layer for layer in image.layers if layer.digest not in kept}
        archives = list(self._archives(kept))
        size = sum(archive.size_bytes for archive in archives)
        missing = self.blobs.missing(layers.values())
        meter = Meter(size + sum(layer.size_bytes for layer in missing), self.progress)
        self.blobs.fetch(missing, self.deadline.clock, meter.add)
        for archive in archives:
            self.store.load(archive.stream(), meter.add)
        return Sent(len(layers), size)

    def _archives(self, kept: frozenset[Digest]) -> Iterator[Archive]:
        """An archive for each part: an image of the first layers, with those that the engine lacks then."""
        image, begun = self.named.image, 0
        for count in cuts_of(image, kept, _PART_BYTES) if self.is_cut else [len(image.layers)]:
            part = self.named if count == len(image.layers) else NamedImage(image.beginning(count), ())
            # One of an earlier part that comes again is sent again: the engine's own store reads it.
            digests = {layer.digest for layer in image.layers[begun:count]} - kept
            begun = count
            yield archive_of([part], {digest: self.blobs.store.path(digest) for digest in digests})
