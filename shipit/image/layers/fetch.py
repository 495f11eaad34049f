"""Layers brought into the cache from where they are, and read: unpacked within bounds, and what their image says they are.

Source: OCI image-spec 1.1, config.md, "Layer DiffID": engines refuse an image whose layers do not match its config.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipit.digest import Digest, parse_digest
from shipit.errors import BuildError
from shipit.image.image import BlobSource, Layer
from shipit.image.layers.index import LayerIndex, Whiteouts, write_index
from shipit.image.layers.layer import open_members
from shipit.image.store.content_store import ContentStore
from shipit.image.tar.header import BadTar
from shipit.image.tar.read import Member, TarReader
from shipit.image.tree import InLayer

# Names the form of an index, and that it was made of a layer that had been compared with its diff_id.
_INDEX = "index-3"


def ensure_layer(layer: Layer, store: ContentStore, source: BlobSource) -> Path:
    """The layer's blob in the store, fetched from where it comes from when it is not there yet."""
    if store.has(layer.digest, layer.size_bytes):
        return store.path(layer.digest)
    if layer.origin is None:
        raise BuildError("a layer is missing from the cache", where=layer.digest, hint="run it again: it is built anew")
    chunks = source.blob(layer.origin, layer.digest)
    return store.put_stream(chunks, layer.digest, _where(layer), layer.size_bytes)


def _where(layer: Layer) -> str:
    return f"{layer.origin.name}@{layer.digest}" if layer.origin else layer.digest


@dataclass(frozen=True)
class LayerReader:
    """Reads the layers of bases. Whatever it gives was compared with the layer's diff_id, now or before."""

    store: ContentStore
    source: BlobSource
    _files: dict[tuple[Digest, str], bytes | None] = field(default_factory=dict, repr=False, compare=False)

    def members(self, layer: Layer) -> Iterator[tuple[Member, TarReader]]:
        """The members of a layer and what reads their contents. Only at the end are they known to be the layer's.

        Raises: BuildError where the layer can't be read, or is another than its image says; NeedsEngine.
        """
        path, where = ensure_layer(layer, self.store, self.source), _where(layer)
        is_known = self.store.recall("unpacked", layer.digest) == layer.diff_id
        seen = None if is_known else layer.diff_id.hasher()
        most = self.store.limits.unpacked(layer.size_bytes)
        yield from open_members(path, layer.compression, most_bytes=most, seen=seen, where=where)
        if seen is not None:
            if seen.hexdigest() != layer.diff_id.hex:
                hint = "use another image: engines refuse this one, too"
                raise BuildError("the layer is another than its image's config says", where=where, hint=hint)
            self.store.note("unpacked", layer.digest, layer.diff_id)

    def small_file(self, content: InLayer, most_bytes: int) -> bytes | None:
        """The bytes of a file; None where it is larger, and none where the layer does not hold it. Read once."""
        key = content.layer.digest, content.member
        if key not in self._files:
            self._files[key] = b""
            for member, reader in self.members(content.layer):
                if member.kind == "file" and member.name == content.member:
                    # A name may come twice: the last one counts.
                    self._files[key] = b"".join(reader.content()) if member.size <= most_bytes else None
        return self._files[key]

    def has_index(self, layer: Layer) -> bool:
        """Whether `index` needs no blob."""
        return self._index(layer) is not None

    def index(self, layer: Layer) -> LayerIndex:
        """What a layer holds. It is remembered by its diff_id; else its blob is fetched and read to the end."""
        found = self._index(layer)
        if found is None:
            try:
                digest, whiteouts = write_index((member for member, _ in self.members(layer)), self.store)
            except BadTar as error:
                raise BuildError(f"is no layer that can be read: {error}", where=_where(layer)) from None
            self.store.note(_INDEX, layer.diff_id, [digest, *whiteouts])
            found = digest, whiteouts
        return LayerIndex(self.store.path(found[0]), layer, found[1])

    def _index(self, layer: Layer) -> tuple[Digest, Whiteouts] | None:
        match self.store.recall(_INDEX, layer.diff_id):
            case [text, [*paths], [*opaque]] if (digest := parse_digest(text)) and self.store.has(digest):
                return digest, Whiteouts(_texts(paths), _texts(opaque))
        return None


def _texts(values: list[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)
