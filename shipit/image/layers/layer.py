"""Layers: a tar compressed and digested in one pass, and unpacked again within bounds.

Source: OCI image-spec 1.1, layer.md; POSIX.1-2001 pax.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from shipit.digest import Digest
from shipit.errors import BuildError, NeedsEngine
from shipit.image.image import Layer
from shipit.image.store.cache_files import cache_errors, temporary_file
from shipit.image.store.content_store import ContentStore, NewBlob
from shipit.image.tar.header import BadTar, SparseFile
from shipit.image.tar.read import Member, TarReader
from shipit.image.tree import Entry, Slice

_BLOCK = 1024 * 1024
# Names how layers are written and packed: a change of it is a change of their bytes.
PACKING = "gzip-4"


def pack_layer(tar: Iterable[bytes], store: ContentStore) -> Layer:
    """Compress a tar into the store; both digests come from the one pass."""
    compressor = _compressor()
    plain, packed, size = hashlib.sha256(), hashlib.sha256(), 0
    with store.new_blob() as blob:
        for block in _blocks(tar):
            plain.update(block)
            size += _write(blob, packed, compressor.compress(block))
        size += _write(blob, packed, compressor.flush())
        digest = Digest.from_hash(packed)
        blob.keep(digest)
    return Layer(Digest.from_hash(plain), digest, size)


def _compressor() -> Any:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compressobj(6, zlib.DEFLATED, 31)
    return isal_zlib.compressobj(2, isal_zlib.DEFLATED, 31)


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of exactly 1 MiB but the last: the output of ISA-L depends on how its input is cut."""
    held, size = [], 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _BLOCK:
            joined = b"".join(held)
            whole = len(joined) - len(joined) % _BLOCK
            for start in range(0, whole, _BLOCK):
                yield joined[start : start + _BLOCK]
            held, size = [joined[whole:]], len(joined) - whole
    if size:
        yield b"".join(held)


def _write(blob: NewBlob, digest: Any, data: bytes) -> int:
    digest.update(data)
    blob.write(data)
    return len(data)


def share_content(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The same entries, where all but the first of those with one file of a layer or an archive are hard links to it.

    Files of a context stay files: how they lie on a disk should not change the image.
    """
    shared: dict[str, Entry] = {}
    firsts: dict[Entry, str] = {}
    for path in sorted(entries):
        shared[path] = entry = entries[path]
        if isinstance(entry.content, Slice):
            first = firsts.setdefault(entry, path)
            if first != path:
                shared[path] = Entry("hardlink", entry.mode, entry.uid, entry.gid, first)
    return shared


def unpacked(path: Path, compression: str) -> IO[bytes]:
    """A layer's tar as a file to read from its start."""
    return cast("IO[bytes]", _gzip()[0](path, "rb")) if compression == "gzip" else path.open("rb")


def _gzip() -> tuple[Any, tuple[Any, ...]]:
    """The `open` for gzip files, and the errors of what it reads through."""
    try:
        from isal import igzip, isal_zlib
    except ImportError:
        import gzip

        return gzip.open, (zlib.error,)
    return igzip.open, (zlib.error, isal_zlib.error)


class TooLarge(BadTar):
    """A layer that unpacks to more than its size lets expect."""


class Unpacking:
    """The bytes of a tar as they are unpacked: counted, and hashed where that is asked for."""

    def __init__(self, file: IO[bytes], most_bytes: int, seen: Any) -> None:
        self._file, self._most_bytes, self._seen = file, most_bytes, seen
        self._size = 0

    def read(self, amount: int, /) -> bytes:
        data = self._file.read(amount)
        self._size += len(data)
        if self._size > self._most_bytes:
            raise TooLarge(f"it unpacks to more than {self._most_bytes} bytes")
        if self._seen is not None:
            self._seen.update(data)
        return data


def open_members(
    path: Path, compression: str = "gzip", *, most_bytes: int = sys.maxsize, seen: Any = None, where: str = ""
) -> Iterator[tuple[Member, TarReader]]:
    """The members of a layer's tar in order, and what reads the content of each before the next is asked for.

    `seen` is a hashlib object that has read the whole tar at the end. `where` names the layer in errors.
    Raises: BuildError where it can't be read, or unpacks to more than `most_bytes`; NeedsEngine.
    """
    with _unpacking(path, compression, most_bytes, seen, where or str(path)) as tar:
        reader = TarReader(tar)
        for member in reader:
            yield member, reader
        while tar.read(_BLOCK):
            pass


def hash_unpacked(path: Path, most_bytes: int, seen: Any, where: str) -> None:
    """Let a hashlib object read a layer's tar. Raises: as `open_members` does."""
    with _unpacking(path, "gzip", most_bytes, seen, where) as tar:
        while tar.read(_BLOCK):
            pass


@contextmanager
def _unpacking(path: Path, compression: str, most_bytes: int, seen: Any, where: str) -> Iterator[Unpacking]:
    """A layer's tar to read; what is wrong with it is an error that names the layer."""
    if compression == "zstd":
        raise NeedsEngine("a base has zstd layers, which are not read natively", where=where)
    hint = ""
    try:
        if compression == "gzip" and not path.stat().st_size:
            raise BadTar("it is empty")
        with unpacked(path, compression) as file:
            yield Unpacking(file, most_bytes, seen)
    except SparseFile:
        raise NeedsEngine("a base has sparse files, which are not read natively", where=where) from None
    except (BadTar, OSError, EOFError, *_gzip()[1]) as error:
        if isinstance(error, TooLarge):
            hint = "if it is meant to be that large, set SHIPIT_UNPACK_MAX, such as 20GiB"
        raise BuildError(f"is no layer that can be read: {error}", where=where, hint=hint) from None


@contextmanager
def spool(folder: Path) -> Iterator[Callable[[Iterable[bytes]], Slice]]:
    """A file in a folder to write many contents to, one behind the other: much faster than a file for each."""
    with temporary_file(folder, keeps=True) as (file, path):

        def add(chunks: Iterable[bytes]) -> Slice:
            with cache_errors(folder):
                place = Slice(str(path), file.tell())
            for chunk in chunks:
                with cache_errors(folder):
                    file.write(chunk)
            # Not even two empty contents have the same place: that would make them one.
            with cache_errors(folder):
                file.write(b"\0")
            return place

        yield add
        with cache_errors(folder):
            file.flush()
