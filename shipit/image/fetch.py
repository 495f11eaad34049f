"""Layers brought into the store from where they are."""

from __future__ import annotations

from pathlib import Path

from shipit.errors import BuildError
from shipit.image.image import BlobSource, Layer
from shipit.image.store import ContentStore


def ensure_layer(layer: Layer, store: ContentStore, source: BlobSource) -> Path:
    """The layer's blob in the store, fetched from where it comes from when it is not there yet."""
    if store.has(layer.digest, layer.size_bytes):
        return store.path(layer.digest)
    if layer.origin is None:
        raise BuildError("a layer is missing from the cache", where=layer.digest, hint="run it again: it is built anew")
    chunks, where = source.blob(layer.origin, layer.digest), f"{layer.origin.name}@{layer.digest}"
    return store.put_stream(chunks, layer.digest, where, layer.size_bytes)
