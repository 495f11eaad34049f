"""The index of a layer: its entries as sorted lines of a file, searched without loading the file.

A line is the path with NUL bytes instead of `/`, two NUL bytes, and `KIND MODE UID GID SIZE CAPABILITY TARGET`. In this
order, a folder is followed directly by everything below it.
"""

from __future__ import annotations

import hashlib
import heapq
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from shipit.digest import Digest
from shipit.image.image import Layer
from shipit.image.store.cache_files import cache_errors
from shipit.image.store.content_store import ContentStore
from shipit.image.tar.header import BadTar
from shipit.image.tar.read import Member
from shipit.image.tree.entries import OPAQUE, WHITEOUT, Entry, InLayer, Kind

_END = b"\0\0"
_LETTERS: dict[Kind, str] = {"file": "f", "dir": "d", "symlink": "l", "hardlink": "h", "special": "s"}
_KINDS: dict[bytes, Kind] = {letter.encode(): kind for kind, letter in _LETTERS.items()}
# The memory for sorting an index, in bytes of lines.
_RUN_BYTES = 16 * 1024 * 1024
# The limit of whiteouts in memory, for all layers of an image: characters, plus a hundred for each path.
MAX_WHITEOUTS = 16 * 1024 * 1024
_NUMBER_BYTES, _LARGE_BYTES = 10, 1024 * 1024
_MAX_HOPS = 40


class Whiteouts(NamedTuple):
    """What a layer removes from the layers below it: paths, and opaque folders, whose whole content it removes."""

    paths: tuple[str, ...]
    opaque: tuple[str, ...]

    @property
    def weight(self) -> int:
        """The approximate memory use, in bytes."""
        return sum(map(_weight, self.paths)) + sum(map(_weight, self.opaque))


def _weight(path: str) -> int:
    return len(path) + 100


def write_index(members: Iterable[Member], store: ContentStore) -> tuple[Digest, Whiteouts]:
    """Write the index of members. Returns its digest, and the whiteouts. Of equal names the last one counts."""
    lines: list[bytes] = []
    size, weight, whiteouts, opaque = 0, 0, list[str](), list[str]()
    with ExitStack() as exits:
        runs: list[IO[bytes]] = []
        for number, member in enumerate(members):
            folder, _, name = member.name.rpartition("/")
            if name.startswith(WHITEOUT):
                removed = folder if name == OPAQUE else f"{folder}/{name.removeprefix(WHITEOUT)}".strip("/")
                (opaque if name == OPAQUE else whiteouts).append(removed)
                weight += _weight(removed)
            elif member.name:
                lines.append(_line(member, number))
                size += len(lines[-1])
                if size > _RUN_BYTES:
                    with cache_errors(store.root):
                        runs.append(exits.enter_context(TemporaryFile(dir=store.root / "tmp")))
                        _spill(lines, runs[-1])
                    lines, size = [], 0
            if weight > MAX_WHITEOUTS:
                raise BadTar("too many removed paths")
        lines.sort()
        digest = _write_sorted(heapq.merge(*runs, lines) if runs else lines, store)
    return digest, Whiteouts(tuple(whiteouts), tuple(opaque))


def _line(member: Member, number: int) -> bytes:
    _, kind, mode, uid, gid, target, size, capability = member
    packed = capability.encode("utf-8", "surrogateescape").hex() or "-"
    # A number of fixed width keeps equal names in order; it is not written.
    head = b"%010d%s %o %d %d %d %s " % (number, _LETTERS[kind].encode(), mode, uid, gid, size, packed.encode())
    return b"%s%s%s%s\n" % (path_key(member.name), _END, head, _escaped(target))


def path_key(path: str) -> bytes:
    return _escaped(path).replace(b"/", b"\0")


def _escaped(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return data.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") if b"\\" in data or b"\n" in data else data


def _plain(data: bytes) -> str:
    if b"\\" in data:
        data = data.replace(b"\\\\", b"\0\0").replace(b"\\n", b"\n").replace(b"\0\0", b"\\")
    return data.decode("utf-8", "surrogateescape")


def _spill(lines: list[bytes], run: IO[bytes]) -> None:
    """Write sorted lines to a file."""
    lines.sort()
    run.writelines(lines)
    run.seek(0)


def _write_sorted(lines: Iterable[bytes], store: ContentStore) -> Digest:
    """Write sorted lines as a blob."""
    hasher, rest = hashlib.sha256(), _unique(lines)
    with store.new_blob() as blob:
        while batch := b"".join(islice(rest, 500)):
            hasher.update(batch)
            blob.write(batch)
        digest = Digest.from_hash(hasher)
        blob.keep(digest)
    return digest


def _unique(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The last line of each path, without its number."""
    held = held_key = b""
    for line in lines:
        key, _, rest = line.partition(_END)
        if held and key != held_key:
            yield held
        held, held_key = key + _END + rest[_NUMBER_BYTES:], key
    if held:
        yield held


class LayerIndex:
    """The index of one layer. `layer` says where the content is."""

    def __init__(self, path: Path, layer: Layer, whiteouts: Whiteouts) -> None:
        self.layer = layer
        self.whiteouts = whiteouts
        with path.open("rb") as file:
            # Small files are read, because each mapped file stays open.
            is_large = os.fstat(file.fileno()).st_size > _LARGE_BYTES
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if is_large else file.read()

    def get(self, path: str) -> Entry | None:
        """The entry at a path; hard links are followed within the layer. None when the layer lacks it."""
        for _ in range(_MAX_HOPS):
            rest = self._rest(path)
            if rest is None:
                return None
            entry = self.entry(path, rest)
            if entry.kind != "hardlink":
                return entry
            if self._rest(entry.target) is None:
                # The target is in a lower layer, or missing.
                return Entry("file", entry.mode, entry.uid, entry.gid, content=InLayer(self.layer, entry.target))
            path = entry.target
        return None

    def is_above(self, folder: str) -> bool:
        """Whether the layer has anything below a folder."""
        begin = self._at(path_key(folder) + b"\0\1")
        return (
            begin < len(self._data)
            and self._data[begin : begin + len(path_key(folder)) + 1] == path_key(folder) + b"\0"
        )

    def lines(self, folder: str) -> Iterator[tuple[bytes, bytes]]:
        """Key and rest of each line below a folder, in order; for the root, all lines."""
        at, end = 0, len(self._data)
        if folder:
            at, end = self._at(path_key(folder) + b"\0\1"), self._at(path_key(folder) + b"\1")
        while at < end:
            after = self._data.find(b"\n", at) + 1
            key, _, rest = self._data[at : after - 1].partition(_END)
            yield key, rest
            at = after

    def entry(self, path: str, rest: bytes) -> Entry:
        """The entry of a line; a hard link is not followed."""
        kind, mode, uid, gid, size, capability, target = rest.split(b" ", 6)
        name = _KINDS[kind]
        content = InLayer(self.layer, path) if name == "file" else None
        plain = "" if capability == b"-" else bytes.fromhex(capability.decode()).decode("utf-8", "surrogateescape")
        return Entry(name, int(mode, 8), int(uid), int(gid), _plain(target), int(size), content, plain)

    def _rest(self, path: str) -> bytes | None:
        key = path_key(path) + _END
        at = self._at(key)
        line = self._data[at : self._data.find(b"\n", at)] if at < len(self._data) else b""
        return line[len(key) :] if line.startswith(key) else None

    def _at(self, key: bytes) -> int:
        """The offset of the first line whose key is not less than `key`."""
        low, high = 0, len(self._data)
        while low < high:
            middle = (low + high) // 2
            start = self._data.rfind(b"\n", low, middle) + 1 or low
            end = self._data.find(b"\n", middle)
            if self._data[start:end] < key:
                low = end + 1
            else:
                high = start
        return low


def key_text(key: bytes) -> str:
    """The path of a key."""
    return _plain(key.replace(b"\0", b"/"))
