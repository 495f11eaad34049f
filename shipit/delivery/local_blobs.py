"""The layers of images as this machine has or can get them, and what it knows of the blobs of an engine's images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from shipit.clock import Clock
from shipit.digest import Digest
from shipit.docker.engine_image import EngineImage
from shipit.image.image import BlobSource, Layer
from shipit.image.layers.fetch import ensure_layer
from shipit.image.manifest import MAX_MANIFEST_BYTES, Index, InvalidManifest, parse_manifest
from shipit.image.store.content_store import ContentStore
from shipit.parallel import together


class LocalBlobs(NamedTuple):
    """Layers in the store, and those to be fetched from the registry of their base."""

    store: ContentStore
    source: BlobSource

    def missing(self, layers: Iterable[Layer]) -> list[Layer]:
        """The layers that have to be fetched."""
        return [layer for layer in layers if not self.store.has(layer.digest, layer.size_bytes)]

    def fetch(self, layers: Iterable[Layer], clock: Clock, got: Callable[[int], None]) -> None:
        """Fetch layers side by side. `got` is called with the size of each chunk. Raises: BuildError, RemoteError."""
        one = partial(ensure_layer, store=self.store, source=self.source, got=got)
        together({layer.digest: partial(one, layer) for layer in layers}, clock)

    def known_layers(self, found: EngineImage) -> frozenset[Digest]:
        """The blobs of an image in containerd's store; empty when its manifest is not known here."""
        return frozenset().union(*(self._in_manifest(digest) for digest in (found.id, *found.repo_digests)))

    def _in_manifest(self, digest: Digest, *, is_row: bool = False) -> set[Digest]:
        data = self.store.read(digest, MAX_MANIFEST_BYTES)
        try:
            manifest = parse_manifest(data) if data is not None else None
        except InvalidManifest:
            return set()
        if isinstance(manifest, Index):
            rows = () if is_row else manifest.rows
            return set().union(*(self._in_manifest(row.digest, is_row=True) for row in rows))
        return {layer.digest for layer in manifest.layers} if manifest else set()
