"""The layer of some entries: the one that the cache has for them, or a new one."""

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
from shipit.image.tree import Entry, InLayer, Inline, LocalFile, Slice

BringOut = Callable[[Mapping[str, Entry]], Mapping[str, Entry]]


class Written(NamedTuple):
    """A layer; whether it was not in the store before; whether equal stamps vouch for equal content."""

    layer: Layer
    is_new: bool
    is_settled: bool


def write_layer(entries: Mapping[str, Entry], store: ContentStore, bring_out: BringOut) -> Written:
    """The layer of entries, which is in the store then.

    Nothing is read where all files have the stamps of an earlier run, or come from the same layers, and nothing compressed
    where they hold what they held then. `bring_out` makes contents in layers readable.
    Raises: BuildError for a file that can't be read, or changes meanwhile.
    """
    began_ns = time.time_ns()
    stamps = [entry.content.stamp for entry in entries.values() if isinstance(entry.content, LocalFile)]
    stamped = key_of(f"stamps {PACKING}", _stamped(entries)) if _is_told_by_origin(entries) else None
    if stamped and (layer := _noted(stamped, store)):
        return Written(layer, False, True)
    layer, is_new = _of_content(share_content(bring_out(entries)), store, marks_of(stamps))
    is_settled = stamped is not None and not any(is_young(stamp, began_ns) for stamp in stamps)
    if is_settled and stamped:
        _note(stamped, layer, store)
    return Written(layer, is_new, is_settled)


def _of_content(entries: Mapping[str, Entry], store: ContentStore, marks: bytes) -> tuple[Layer, bool]:
    """The layer by what the files hold. They are read for that alone only where it is likely that it is known."""
    shape = key_of(f"shape {PACKING}", _shaped(entries))
    before = store.recall("shapes", shape)
    if before is not None and _may_be_known(before, marks):
        layer = _noted(_content_key(_digest(tar_stream(entries))), store)
        if layer is not None:
            return layer, False
    packed = pack_layer(tar_stream(entries), store)
    store.note("shapes", shape, b64encode(marks).decode())
    key = _content_key(packed.diff_id)
    if (layer := _noted(key, store)) is not None:
        return layer, False
    _note(key, packed, store)
    return packed, True


def _may_be_known(before: object, now: bytes) -> bool:
    """Whether files of the sizes of before may hold what they held: not where some changed, and most did not.

    All of them changed where they were checked out anew, and none where they were too young to be sure of.
    """
    try:
        share = changed_share(b64decode(str(before)), now)
    except ValueError:
        return False
    return share == 0 or share > 0.5


def _is_told_by_origin(entries: Mapping[str, Entry]) -> bool:
    """Whether all contents are told by where they come from. Those of archives are not."""
    return not any(isinstance(entry.content, Slice) for entry in entries.values())


def _stamped(entries: Mapping[str, Entry]) -> Iterator[str]:
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


def _shaped(entries: Mapping[str, Entry]) -> Iterator[str]:
    for path, (kind, mode, uid, gid, target, size, _, capability, time_s) in entries.items():
        yield f"{path}\0{kind}\0{mode}\0{uid}\0{gid}\0{target}\0{size}\0{capability}\0{time_s}\n"


def key_of(what: str, lines: Iterable[str]) -> Digest:
    """A digest of many lines, which are not held all at once."""
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
    return key_of(f"content {PACKING} {diff_id}", ())


def _noted(key: Digest, store: ContentStore) -> Layer | None:
    """The layer noted under a key, where the store still has it."""
    layer = parse_layer(store.recall("layers", key))
    return layer if layer and store.has(layer.digest, layer.size_bytes) else None


def _note(key: Digest, layer: Layer, store: ContentStore) -> None:
    store.note("layers", key, layer)
