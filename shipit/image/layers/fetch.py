"""Fetches layers into the cache and reads them, verified against the diff_ids of their image's config.

Source: OCI image-spec 1.1, config.md, "Layer DiffID": engines refuse an image whose layers do not match its config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from shipit.image.tree.entries import InLayer

# The format of indexes, made only from layers that were verified against their diff_id.
_INDEX = "index-3"


def ensure_layer(
    layer: Layer, store: ContentStore, source: BlobSource, got: Callable[[int], None] = lambda size: None
) -> Path:
    """The path of the layer's blob in the store; fetched when it is missing. Raises: BuildError, RemoteError.

    `got` is called with the size of each chunk that is fetched.
    """
    if store.has(layer.digest, layer.size_bytes):
        return store.path(layer.digest)
    if layer.origin is None:
        raise BuildError("a layer is missing from the cache", where=layer.digest, hint="run it again to rebuild it")
    chunks = _counted(source.blob(layer.origin, layer.digest), got)
    return store.put_stream(chunks, layer.digest, _where(layer), layer.size_bytes)


def _counted(chunks: Iterator[bytes], got: Callable[[int], None]) -> Iterator[bytes]:
    for chunk in chunks:
        got(len(chunk))
        yield chunk


def _where(layer: Layer) -> str:
    return f"{layer.origin.name}@{layer.digest}" if layer.origin else layer.digest


@dataclass(frozen=True)
class LayerReader:
    """Reads the layers of bases. Everything it returns was verified against the layer's diff_id, now or earlier."""

    store: ContentStore
    source: BlobSource
    _files: dict[tuple[Digest, str], bytes | None] = field(default_factory=dict, repr=False, compare=False)

    def members(self, layer: Layer) -> Iterator[tuple[Member, TarReader]]:
        """The members of a layer, each with the reader of its content. They are verified only after the last one.

        Raises: BuildError when the layer cannot be read, or does not match its diff_id; NeedsEngine.
        """
        path, where = ensure_layer(layer, self.store, self.source), _where(layer)
        is_known = self.store.recall("unpacked", layer.digest) == layer.diff_id
        seen = None if is_known else layer.diff_id.hasher()
        most = self.store.limits.unpacked(layer.size_bytes)
        yield from open_members(path, layer.compression, most_bytes=most, seen=seen, where=where)
        if seen is not None:
            if seen.hexdigest() != layer.diff_id.hex:
                hint = "use another image: engines refuse this one, too"
                raise BuildError("the layer does not match the diff_id in its image's config", where=where, hint=hint)
            self.store.note("unpacked", layer.digest, layer.diff_id)

    def small_file(self, content: InLayer, most_bytes: int) -> bytes | None:
        """The bytes of a file: None when it is too large, empty when the layer lacks it. Read once."""
        key = content.layer.digest, content.member
        if key not in self._files:
            self._files[key] = b""
            for member, reader in self.members(content.layer):
                if member.kind == "file" and member.name == content.member:
                    # A name may occur twice; the last member counts.
                    self._files[key] = b"".join(reader.content()) if member.size <= most_bytes else None
        return self._files[key]

    def has_index(self, layer: Layer) -> bool:
        """Whether `index` can answer without the layer's blob."""
        return self._index(layer) is not None

    def index(self, layer: Layer) -> LayerIndex:
        """The index of a layer, remembered by diff_id; otherwise the layer is fetched and read to its end."""
        found = self._index(layer)
        if found is None:
            try:
                digest, whiteouts = write_index((member for member, _ in self.members(layer)), self.store)
            except BadTar as error:
                raise BuildError(f"can't be read as a layer: {error}", where=_where(layer)) from None
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
