"""Layers: entries to a deterministic tar, compressed and digested in one pass; and a layer's tar back to entries.

Source: OCI image-spec 1.1, layer.md; POSIX.1-2001 pax.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, cast

from shipit.digest import Digest
from shipit.errors import BuildError, NeedsEngine
from shipit.image.image import Layer
from shipit.image.store import ContentStore, NewBlob
from shipit.image.tar import CAPABILITY, read_content
from shipit.image.tree import OPAQUE, WHITEOUT, Changes, Entry, InLayer, Slice

_BLOCK = 1024 * 1024
# tarfile copies what is left of its buffer at each member: much larger is as slow as much smaller.
_TAR_BUFFER = 65536
_KINDS = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink"}
_INDEX = "index-2"
# Names how layers are written and packed: a change of it is a change of their bytes.
PACKING = "gzip-3"


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


def has_index(layer: Layer, store: ContentStore) -> bool:
    """Whether `read_index` needs no blob."""
    return store.remembers(_INDEX, layer.diff_id)


def read_index(layer: Layer, store: ContentStore, fetch: Callable[[Layer], Path]) -> Changes:
    """What a layer changes: path -> entry, or None where it removes. Remembered by its diff_id; else its blob is fetched.

    A folder that the layer makes opaque is listed as `PATH/.wh..wh..opq`.
    """
    rows = store.recall(_INDEX, layer.diff_id)
    if rows is None:
        rows = [_row(member) for member in open_members(fetch(layer), layer.compression)]
        store.note(_INDEX, layer.diff_id, rows)
    changes: Changes = {}
    for path, kind, mode, uid, gid, target, size, capability in rows:
        folder, _, name = path.rpartition("/")
        if name == OPAQUE:
            changes[path] = None
        elif name.startswith(WHITEOUT):
            changes[f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/")] = None
        elif kind == "hardlink":
            original = changes.get(target) or Entry("file", mode, uid, gid, content=InLayer(layer, target))
            changes[path] = original
        else:
            content = InLayer(layer, path) if kind == "file" else None
            changes[path] = Entry(kind, mode, uid, gid, target, size, content, capability)
    return changes


def _row(member: tarfile.TarInfo) -> list[Any]:
    kind = _KINDS.get(member.type, "file" if member.isreg() else "special")
    target = clean_member(member.linkname) if kind == "hardlink" else member.linkname
    capability = member.pax_headers.get(CAPABILITY, "")
    name, mode = clean_member(member.name), stat.S_IMODE(member.mode)
    return [name, kind, mode, member.uid, member.gid, target, member.size, capability]


def clean_member(name: str) -> str:
    """A tar member's name as a path of ours: no leading `/` or `./`."""
    return os.path.normpath(f"/{name}").lstrip("/")


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


def open_members(path: Path, compression: str = "gzip") -> Iterator[tarfile.TarInfo]:
    """The members of a layer's tar, in order. Raises: BuildError where it can't be read."""
    for member, _ in _members(path, compression):
        yield member


def _members(path: Path, compression: str) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    if compression == "zstd":
        raise NeedsEngine("a base has zstd layers, which are not read natively", where=str(path))
    try:
        with unpacked(path, compression) as file, tarfile.open(fileobj=file, mode="r|", bufsize=_TAR_BUFFER) as archive:
            for member in archive:
                yield member, archive
    except (tarfile.TarError, OSError, EOFError, *_gzip()[1]) as error:
        raise BuildError(
            f"is no layer that can be read: {error}", where=str(path), hint="delete it and run again"
        ) from None


def bring_out(entries: Mapping[str, Entry], fetch: Callable[[Layer], Path], folder: Path) -> Mapping[str, Entry]:
    """The same entries with every InLayer content written to files in `folder`; `fetch` brings a layer's blob."""
    wanted: dict[Layer, set[str]] = {}
    for entry in entries.values():
        if isinstance(entry.content, InLayer):
            wanted.setdefault(entry.content.layer, set()).add(entry.content.member)
    if not wanted:
        return entries
    places: dict[tuple[str, str], tuple[Slice, int]] = {}
    for layer, members in wanted.items():
        with spool(folder) as add:
            for member, archive in _members(fetch(layer), layer.compression):
                name = clean_member(member.name)
                source = archive.extractfile(member) if name in members and member.isreg() else None
                if source is not None:
                    # A name may come twice: the last one counts.
                    places[layer.digest, name] = add(source), member.size
    return {path: _local(path, entry, places) for path, entry in entries.items()}


@contextmanager
def spool(folder: Path) -> Iterator[Callable[[IO[bytes]], Slice]]:
    """A file in a folder to write many contents to, one behind the other: much faster than a file for each."""
    with NamedTemporaryFile(dir=folder, delete=False) as file:

        def add(source: IO[bytes]) -> Slice:
            place = Slice(file.name, file.tell())
            shutil.copyfileobj(source, file, _BLOCK)
            # Not even two empty contents have the same place: that would make them one.
            file.write(b"\0")
            return place

        yield add


def read_whole(path: str, entry: Entry, fetch: Callable[[Layer], Path]) -> bytes:
    """The bytes of a file, which are few, wherever they are; nothing where the entry is no file."""
    if isinstance(entry.content, InLayer):
        return _read_member(entry.content, fetch)
    return b"".join(read_content(path, entry)) if entry.kind == "file" else b""


def _read_member(content: InLayer, fetch: Callable[[Layer], Path]) -> bytes:
    """A file of a layer, which is not large; nothing where the layer does not hold it."""
    for member, file in _members(fetch(content.layer), content.layer.compression):
        if clean_member(member.name) == content.member and member.isreg():
            source = file.extractfile(member)
            return source.read() if source is not None else b""
    return b""


def _local(path: str, entry: Entry, places: Mapping[tuple[str, str], tuple[Slice, int]]) -> Entry:
    if not isinstance(entry.content, InLayer):
        return entry
    place = places.get((entry.content.layer.digest, entry.content.member))
    if place is None:
        raise BuildError(f"/{path} is a hard link to what its layer does not hold", where=entry.content.layer.digest)
    return entry._replace(content=place[0], size=place[1])
