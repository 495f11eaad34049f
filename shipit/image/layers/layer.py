"""Layers as compressed tars: packed and digested in one pass, and unpacked within limits.

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
from shipit.image.tree.entries import Entry, Slice

_BLOCK = 1024 * 1024
# Part of the cache keys. Change it whenever the bytes of tars or of their compression change.
PACKING = "gzip-4"


def pack_layer(tar: Iterable[bytes], store: ContentStore) -> Layer:
    """Compress a tar into the store. Tar and blob are digested in the same pass."""
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
    """Blocks of exactly 1 MiB, except for the last: the output of ISA-L depends on the sizes of its input."""
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
    """The same entries; of those that share one file of a layer or an archive, all but the first become hard links.

    Files of a context stay files: hard links on the disk do not change the image.
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
    """The uncompressed tar of a layer's blob, as a file at its start."""
    return cast("IO[bytes]", _gzip()[0](path, "rb")) if compression == "gzip" else path.open("rb")


def _gzip() -> tuple[Any, tuple[Any, ...]]:
    """`open` for gzip files, and the errors that its decompressor raises."""
    try:
        from isal import igzip, isal_zlib
    except ImportError:
        import gzip

        return gzip.open, (zlib.error,)
    return igzip.open, (zlib.error, isal_zlib.error)


class TooLarge(BadTar):
    """The content unpacks to more bytes than its limit."""


class LimitedReader:
    """Reads a tar while it is unpacked; counts its bytes, and feeds them to a hashlib object if there is one."""

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
    """The members of a layer's tar in order, each with the reader of its content.

    `seen` is a hashlib object that has read the whole tar at the end. `where` names the layer in errors.
    Raises: BuildError when it cannot be read, or unpacks to more than `most_bytes`; NeedsEngine.
    """
    with _open_unpacked(path, compression, most_bytes, seen, where or str(path)) as tar:
        reader = TarReader(tar)
        for member in reader:
            yield member, reader
        while tar.read(_BLOCK):
            pass


def hash_unpacked(path: Path, most_bytes: int, seen: Any, where: str) -> None:
    """Feed the whole unpacked tar of a layer to a hashlib object. Raises: as `open_members` does."""
    with _open_unpacked(path, "gzip", most_bytes, seen, where) as tar:
        while tar.read(_BLOCK):
            pass


@contextmanager
def _open_unpacked(path: Path, compression: str, most_bytes: int, seen: Any, where: str) -> Iterator[LimitedReader]:
    """A layer's unpacked tar; its errors are translated and name the layer."""
    if compression == "zstd":
        raise NeedsEngine("a base has zstd layers, which are not read natively", where=where)
    hint = ""
    try:
        if compression == "gzip" and not path.stat().st_size:
            raise BadTar("it is empty")
        with unpacked(path, compression) as file:
            yield LimitedReader(file, most_bytes, seen)
    except SparseFile:
        raise NeedsEngine("a base has sparse files, which are not read natively", where=where) from None
    except (BadTar, OSError, EOFError, *_gzip()[1]) as error:
        if isinstance(error, TooLarge):
            hint = "if it is meant to be that large, set SHIPIT_UNPACK_MAX, such as 20GiB"
        raise BuildError(f"can't be read as a layer: {error}", where=where, hint=hint) from None


@contextmanager
def spool(folder: Path) -> Iterator[Callable[[Iterable[bytes]], Slice]]:
    """A single file for the contents of many: faster than a file for each. Yields the function that appends one."""
    with temporary_file(folder, keeps=True) as (file, path):

        def add(chunks: Iterable[bytes]) -> Slice:
            with cache_errors(folder):
                place = Slice(str(path), file.tell())
            for chunk in chunks:
                with cache_errors(folder):
                    file.write(chunk)
            # Separates the offsets of empty contents, since contents at one offset are taken for the same file.
            with cache_errors(folder):
                file.write(b"\0")
            return place

        yield add
        with cache_errors(folder):
            file.flush()
