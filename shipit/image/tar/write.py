"""Writes entries as a reproducible tar: ustar headers, with pax headers only for values that do not fit.

Source: POSIX.1-2001, pax Interchange Format and ustar Interchange Format.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping

from shipit.errors import BuildError
from shipit.image.tar.times import FIRST_S, checksum, folder_times, time_of, time_of_text
from shipit.image.tree.entries import Entry, Inline, LocalFile, Slice

_BLOCK = 1024 * 1024
# Content up to this size is kept in memory to compute its time before the header is written.
_BUFFERED_BYTES = 8 * _BLOCK
_TYPES = {"file": b"0", "hardlink": b"1", "symlink": b"2", "dir": b"5"}
# The pax key of a file's capabilities.
CAPABILITY = "SCHILY.xattr.security.capability"
_LONGEST_NAME, _LARGEST_SIZE, _LARGEST_ID = 100, 8**11, 8**7
# The header after the link's target: magic, version, owner names, device numbers, prefix, padding.
_TAIL = b"ustar\x0000" + bytes(247)
_TAIL_SUM = sum(_TAIL)
_SPACES_SUM = 8 * 32


def tar_stream(entries: Mapping[str, Entry], *, end: bool = True) -> Iterator[bytes]:
    """A tar of entries, sorted by path, in chunks. Without `end`, the end blocks are left out, so that more can follow.

    Entries without a time get one derived from their content: see `times`.
    Raises: BuildError when a file cannot be read, or changes while it is read.
    """
    paths = sorted(entries)
    folders = folder_times(paths)
    # A hard link's header has the time of its file.
    file_times = {entry.target: FIRST_S for entry in entries.values() if entry.kind == "hardlink"}
    for path in paths:
        entry = entries[path]
        if entry.kind == "file":
            yield from _file(path, entry, file_times)
        elif entry.kind == "dir":
            yield header(path, entry, folders.get(path, FIRST_S))
        else:
            is_link = entry.kind == "hardlink"
            yield header(path, entry, file_times[entry.target] if is_link else time_of_text(entry.target))
    if end:
        yield bytes(1024)


def _file(path: str, entry: Entry, file_times: dict[str, int]) -> Iterator[bytes]:
    """Header and content of a file. A large file is read twice: for its time, and for its content."""
    chunks: Iterable[bytes] = read_content(path, entry) if entry.size else ()
    is_buffered = entry.size <= _BUFFERED_BYTES
    if is_buffered:
        chunks = list(chunks)
    crc = 0
    for chunk in chunks:
        crc = checksum(chunk, crc)
    time_s = time_of(crc) if entry.time_s is None else entry.time_s
    if path in file_times:
        file_times[path] = time_s
    yield header(path, entry, time_s)
    yield from _padded(path, entry, chunks if is_buffered else _read_again(path, entry, crc))


def _read_again(path: str, entry: Entry, expected: int) -> Iterator[bytes]:
    """The content of a file, read again. Raises: BuildError when it changed."""
    crc = 0
    for chunk in read_content(path, entry):
        crc = checksum(chunk, crc)
        yield chunk
    if crc != expected:
        raise _changed(path)


def header(path: str, entry: Entry, time_s: int) -> bytes:
    """The header of one entry: 512 bytes, or more with a pax header."""
    name = (path + "/" if entry.kind == "dir" else path).encode("utf-8", "surrogateescape")
    link = entry.target.encode("utf-8", "surrogateescape")
    size = entry.size if entry.kind == "file" else 0
    is_plain = (
        len(name) <= _LONGEST_NAME
        and len(link) <= _LONGEST_NAME
        and name.isascii()
        and link.isascii()
        and size < _LARGEST_SIZE
        and entry.uid < _LARGEST_ID
        and entry.gid < _LARGEST_ID
        and not entry.capability
    )
    if not is_plain:
        return _pax_header(path, entry, time_s)
    numbers = b"%07o\x00%07o\x00%07o\x00%011o\x00%011o\x00" % (entry.mode, entry.uid, entry.gid, size, time_s)
    kind = _TYPES[entry.kind]
    checksum = sum(name) + sum(numbers) + kind[0] + sum(link) + _TAIL_SUM + _SPACES_SUM
    return b"".join((name.ljust(100, b"\0"), numbers, b"%06o\x00 " % checksum, kind, link.ljust(100, b"\0"), _TAIL))


def _pax_header(path: str, entry: Entry, time_s: int) -> bytes:
    info = tarfile.TarInfo(path + ("/" if entry.kind == "dir" else ""))
    info.type = _TYPES[entry.kind]
    info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, time_s
    info.linkname = entry.target
    info.size = entry.size if entry.kind == "file" else 0
    if entry.capability:
        info.pax_headers = {CAPABILITY: entry.capability}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padded(path: str, entry: Entry, chunks: Iterable[bytes]) -> Iterator[bytes]:
    sent = 0
    for chunk in chunks:
        sent += len(chunk)
        yield chunk
    if sent != entry.size:
        raise _changed(path)
    if sent % 512:
        yield bytes(512 - sent % 512)


def _changed(path: str) -> BuildError:
    return BuildError(
        "the file changed while it was read", where=path, hint="run it again when no program writes to it"
    )


def read_content(path: str, entry: Entry) -> Iterator[bytes]:
    """The content of a file in chunks; `path` is used in errors only. Raises: BuildError."""
    if isinstance(entry.content, Inline):
        yield entry.content.data
    elif isinstance(entry.content, LocalFile):
        # One more byte than expected, to detect a file that grew, and the end of the file in the same read.
        yield from _read(entry.content.path, 0, entry.size + 1)
    elif isinstance(entry.content, Slice):
        yield from _read(entry.content.file, entry.content.offset, entry.size)
    else:
        raise AssertionError(f"{path} was not extracted from its layer")


def _read(file: str, offset: int, left: int) -> Iterator[bytes]:
    """At most `left` bytes of a file, starting at an offset, in chunks."""
    try:
        # Does not block on a pipe that replaced the file since it was listed.
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if offset:
                os.lseek(handle, offset, os.SEEK_SET)
            while left and (chunk := os.read(handle, min(_BLOCK, left))):
                yield chunk
                is_end = len(chunk) < left < _BLOCK
                left -= len(chunk)
                if is_end:
                    break
        finally:
            os.close(handle)
    except OSError as error:
        hint = "list it in .dockerignore, or allow reading it"
        raise BuildError(f"can't be read: {error.strerror}", where=file, hint=hint) from None
