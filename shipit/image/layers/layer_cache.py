"""Writes the layer for some entries, or finds the layer that the cache has for them."""

from __future__ import annotations

import hashlib
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from shipit.digest import Digest
from shipit.image.context.stamps import changed_share, is_young, marks_of
from shipit.image.image import Layer, parse_layer
from shipit.image.layers.layer import PACKING, pack_layer, share_content
from shipit.image.store.content_store import ContentStore
from shipit.image.tar.write import tar_stream
from shipit.image.tree.entries import Entry, InLayer, Inline, LocalFile, Slice

ExtractContents = Callable[[Mapping[str, Entry]], Mapping[str, Entry]]


class WrittenLayer(NamedTuple):
    """A layer. `is_new`: it was not in the store before. `is_settled`: equal stamps imply equal content from now on."""

    layer: Layer
    is_new: bool
    is_settled: bool


def write_layer(entries: Mapping[str, Entry], store: ContentStore, extract_contents: ExtractContents) -> WrittenLayer:
    """The layer of entries, which is in the store afterwards.

    Files are not read when their stamps are those of an earlier run, or when they come from the same layers; nothing is
    compressed when their content is known. `extract_contents` extracts contents that are in layers.
    Raises: BuildError when a file cannot be read, or changes while it is read.
    """
    began_ns = time.time_ns()
    stamps = [entry.content.stamp for entry in entries.values() if isinstance(entry.content, LocalFile)]
    stamped = digest_of_lines(f"stamps {PACKING}", _stamp_lines(entries)) if _is_identified_by_origin(entries) else None
    if stamped and (layer := _remembered_layer(stamped, store)):
        return WrittenLayer(layer, False, True)
    layer, is_new = _layer_by_content(share_content(extract_contents(entries)), store, marks_of(stamps))
    is_settled = stamped is not None and not any(is_young(stamp, began_ns) for stamp in stamps)
    if is_settled and stamped:
        _remember(stamped, layer, store)
    return WrittenLayer(layer, is_new, is_settled)


def _layer_by_content(entries: Mapping[str, Entry], store: ContentStore, marks: bytes) -> tuple[Layer, bool]:
    """The layer by content hashes. Files are hashed first only when a layer for their content probably exists."""
    shape = digest_of_lines(f"shape {PACKING}", _shape_lines(entries))
    before = store.recall("shapes", shape)
    if before is not None and _should_rehash(before, marks):
        layer = _remembered_layer(_content_key(_digest(tar_stream(entries))), store)
        if layer is not None:
            return layer, False
    packed = pack_layer(tar_stream(entries), store)
    store.note("shapes", shape, b64encode(marks).decode())
    key = _content_key(packed.diff_id)
    if (layer := _remembered_layer(key, store)) is not None:
        return layer, False
    _remember(key, packed, store)
    return packed, True


def _should_rehash(before: object, now: bytes) -> bool:
    """Whether files of the same sizes as before probably have the same content.

    Yes when most stamps changed, as after a fresh checkout, and when none did, because the files were too young to rely
    on them. No when some changed.
    """
    try:
        share = changed_share(b64decode(str(before)), now)
    except ValueError:
        return False
    return share == 0 or share > 0.5


def _is_identified_by_origin(entries: Mapping[str, Entry]) -> bool:
    """Whether the origin of each content identifies it. The origin of archives' contents does not."""
    return not any(isinstance(entry.content, Slice) for entry in entries.values())


def _stamp_lines(entries: Mapping[str, Entry]) -> Iterator[str]:
    for path in sorted(entries):
        kind, mode, uid, gid, target, _, content, capability, time_s = entries[path]
        line = f"{path}\0{kind}\0{mode}\0{uid}\0{gid}\0{target}\0{capability}\0{time_s}\n"
        if isinstance(content, LocalFile):
            yield f"{content.folder}/{content.name}\0{content.stamp}\0{line}"
        elif isinstance(content, InLayer):
            yield f"{content.layer.diff_id}\0{content.member}\0{line}"
        elif isinstance(content, Inline):
            yield f"{Digest.of(content.data)}\0{line}"
        else:
            yield line


def _shape_lines(entries: Mapping[str, Entry]) -> Iterator[str]:
    for path, (kind, mode, uid, gid, target, size, _, capability, time_s) in entries.items():
        yield f"{path}\0{kind}\0{mode}\0{uid}\0{gid}\0{target}\0{size}\0{capability}\0{time_s}\n"


def digest_of_lines(what: str, lines: Iterable[str]) -> Digest:
    """The digest of many lines, computed without keeping them in memory."""
    digest, rest = hashlib.sha256(what.encode()), iter(lines)
    while batch := "".join(islice(rest, 500)):
        digest.update(batch.encode("utf-8", "surrogateescape"))
    return Digest.from_hash(digest)


def _digest(chunks: Iterable[bytes]) -> Digest:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return Digest.from_hash(digest)


def _content_key(diff_id: Digest) -> Digest:
    return digest_of_lines(f"content {PACKING} {diff_id}", ())


def _remembered_layer(key: Digest, store: ContentStore) -> Layer | None:
    """The layer remembered under a key, if the store still has its blob."""
    layer = parse_layer(store.recall("layers", key))
    return layer if layer and store.has(layer.digest, layer.size_bytes) else None


def _remember(key: Digest, layer: Layer, store: ContentStore) -> None:
    store.note("layers", key, layer)
