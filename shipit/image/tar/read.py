"""Reads an untrusted tar as a stream, in bounded memory.

Engines unpack layers with Go's archive/tar. For the formats read here, names and refusals are the same as there.
Source: archive/tar of Go 1.24, `Reader`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from shipit.image.tar.header import (
    BadTar,
    SparseFile,
    decode_name,
    has_valid_checksum,
    member_name,
    parse_decimal,
    parse_number,
    parse_pax_records,
    text_field,
)
from shipit.image.tar.write import CAPABILITY
from shipit.image.tree.entries import MAX_PATH_BYTES, Kind

# The limit of a pax header and of a long name, as in archive/tar.
MAX_HEADER_BYTES = 1024 * 1024
_MAX_ID, _MAX_CAPABILITY = 2**32 - 1, 256
_BLOCK, _BUFFER = 512, 1024 * 1024
_ZERO = bytes(_BLOCK)
_KINDS: dict[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "special",
    b"4": "special",
    b"5": "dir",
    b"6": "special",
}
_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK, _SPARSE = b"x", b"g", b"L", b"K", b"S"


class Source(Protocol):
    def read(self, amount: int, /) -> bytes: ...


class Member(NamedTuple):
    """One member. `name`, and the `target` of a hard link, are relative paths without a leading `/`.

    `size` is in bytes, 0 for everything but files. `capability` is the value of the extended attribute
    security.capability, decoded with surrogateescape; empty when there is none.
    """

    name: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    target: str
    size: int
    capability: str


class TarReader:
    """Iterates over the members of a tar. `content` reads that of the current one, before the next is requested."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = b""
        self._at = 0
        self._left = self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        """Raises: BadTar, and the errors of the source."""
        while (header := self._next_header()) is not None:
            member = self._member(header)
            if member is not None:
                yield member

    def content(self) -> Iterator[bytes]:
        """The rest of the current member's content, in chunks."""
        while self._left:
            piece = self._take(min(self._left, _BUFFER))
            self._left -= len(piece)
            yield piece
        self._skip_padding()

    def _member(self, header: bytes) -> Member | None:
        """The member of a header, with the pax and GNU headers before it; None at the end of the tar."""
        records: dict[str, str] = {}
        long_name = long_link = b""
        while (kind := header[156:157]) in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK):
            size = parse_number(header[124:136], "size")
            if size > MAX_HEADER_BYTES:
                raise BadTar(f"a header of {size} bytes, which should be at most 1 MiB")
            data = self._take(size)
            self._padding = -size % _BLOCK
            if kind == _PAX:
                records = parse_pax_records(data)
            elif kind == _LONG_NAME:
                long_name = data.partition(b"\0")[0]
            elif kind == _LONG_LINK:
                long_link = data.partition(b"\0")[0]
            else:
                # Engines ignore global headers, and the headers before one.
                records, long_name, long_link = {}, b"", b""
            following = self._next_header()
            if following is None:
                return None
            header = following
        return self._build_member(header, records, long_name, long_link)

    def _build_member(self, header: bytes, records: dict[str, str], long_name: bytes, long_link: bytes) -> Member:
        flag = header[156:157]
        if flag == _SPARSE:
            raise SparseFile("a sparse file")
        kind = _KINDS.get(flag)
        if kind is None:
            raise BadTar(f"a member of the unknown type {flag!r}")
        name = decode_name(long_name) if long_name else records.get("path") or decode_name(member_name(header))
        target = (
            decode_name(long_link)
            if long_link
            else records.get("linkpath") or decode_name(text_field(header, 157, 100))
        )
        if flag == b"\0" and name.endswith("/"):
            kind = "dir"
        size = parse_decimal(records["size"], "size") if "size" in records else parse_number(header[124:136], "size")
        if kind != "file":
            # Only files have content, whatever the size in the header, as in archive/tar.
            size = 0
        self._left, self._padding = size, -size % _BLOCK
        uid = parse_decimal(records["uid"], "uid") if "uid" in records else parse_number(header[108:116], "uid")
        gid = parse_decimal(records["gid"], "gid") if "gid" in records else parse_number(header[116:124], "gid")
        if uid > _MAX_ID or gid > _MAX_ID:
            raise BadTar(f"an owner {uid}:{gid}, which should be below 2^32")
        mode = parse_number(header[100:108], "mode") & 0o7777
        target = _target(kind, target)
        capability = records.get(CAPABILITY, "") if kind == "file" else ""
        if len(capability) > _MAX_CAPABILITY:
            raise BadTar("a capability that is too long")
        return Member(clean_path(name), kind, mode, uid, gid, target, size, capability)

    def _next_header(self) -> bytes | None:
        """The next header; None at the end. Source: archive/tar, `Reader.readHeader`."""
        for _ in self.content():
            pass
        header = self._take_block()
        if header is None:
            return None
        if header == _ZERO:
            following = self._take_block()
            if following is None or following == _ZERO:
                return None
            raise BadTar("a zero block before a header")
        if not has_valid_checksum(header):
            raise BadTar("a header whose checksum is wrong")
        return header

    def _take_block(self) -> bytes | None:
        if self._at == len(self._buffer):
            self._buffer, self._at = self._source.read(_BUFFER), 0
            if not self._buffer:
                return None
        return self._take(_BLOCK)

    def _take(self, amount: int) -> bytes:
        """Exactly `amount` bytes. Raises: BadTar when the tar ends before."""
        piece = self._buffer[self._at : self._at + amount]
        self._at += len(piece)
        if len(piece) == amount:
            return piece
        pieces, missing = [piece], amount - len(piece)
        while missing:
            self._buffer, self._at = self._source.read(_BUFFER), 0
            if not self._buffer:
                raise BadTar("it is truncated")
            self._at = min(missing, len(self._buffer))
            pieces.append(self._buffer[: self._at])
            missing -= self._at
        return b"".join(pieces)

    def _skip_padding(self) -> None:
        """Skip the padding after a content. As in archive/tar, a tar may end within it."""
        padding, self._padding = self._padding, 0
        with contextlib.suppress(BadTar):
            self._take(padding)


def clean_path(name: str) -> str:
    """A member's name as a relative path: normalized, without a leading `/`, and never above the root.

    Raises: BadTar for a path that is too long for any system.
    """
    if len(name) > MAX_PATH_BYTES or len(name.encode("utf-8", "surrogateescape")) > MAX_PATH_BYTES:
        raise BadTar(f"a path of {len(name)} characters, which should be at most {MAX_PATH_BYTES} bytes")
    return os.path.normpath(f"/{name}").lstrip("/")


def _target(kind: Kind, target: str) -> str:
    """The target of a link; empty for other kinds."""
    if kind == "hardlink":
        return clean_path(target)
    if kind != "symlink":
        return ""
    clean_path(target)
    return target
