"""The members of a tar that is not trusted, read as a stream in bounded memory, as engines read them.

Source: POSIX.1-2001, pax and ustar Interchange Formats; the GNU tar manual, "Basic Tar Format"; archive/tar of Go 1.24,
which engines unpack layers with: of what is used here, what it refuses is refused, and names are what it takes them for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from shipit.image.tar.write import CAPABILITY
from shipit.image.tree import MAX_PATH_BYTES, Kind

# As in archive/tar: of a pax header, and of a long name.
MAX_HEADER_BYTES = 1024 * 1024
_MAX_ID, _MAX_DIGITS, _MAX_CAPABILITY = 2**32 - 1, 20, 256
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
_WANTED = {"path", "linkpath", "size", "uid", "gid", CAPABILITY}


class BadTar(ValueError):
    """Bytes that are no tar, or one that no engine unpacks."""


class SparseFile(BadTar):
    """A file that is stored with holes: engines read it, and it is not read here."""


class Source(Protocol):
    def read(self, amount: int, /) -> bytes: ...


class Member(NamedTuple):
    """One member: its name as a path without `/` before it; `target` of a hard link is such a path, too.

    `size` is 0 for all but files. `capability` is the attribute security.capability, decoded with surrogateescape.
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
    """Iterates over the members of a tar; the content of the last one can be read before the next is asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held = b""
        self._at = 0
        self._left = self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        """Raises: BadTar; what the source raises."""
        while (header := self._next_header()) is not None:
            member = self._member(header)
            if member is not None:
                yield member

    def content(self) -> Iterator[bytes]:
        """What is left of the content of the current member, in pieces."""
        while self._left:
            piece = self._take(min(self._left, _BUFFER))
            self._left -= len(piece)
            yield piece
        self._skip()

    def _member(self, header: bytes) -> Member | None:
        """The member that a header begins, with what special headers before it say; None at the end of the tar."""
        records: dict[str, str] = {}
        long_name = long_link = b""
        while (kind := header[156:157]) in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK):
            size = _number(header[124:136], "size")
            if size > MAX_HEADER_BYTES:
                raise BadTar(f"a header of {size} bytes, which should be at most 1 MiB")
            data = self._take(size)
            self._padding = -size % _BLOCK
            if kind == _PAX:
                records = _pax_records(data)
            elif kind == _LONG_NAME:
                long_name = data.partition(b"\0")[0]
            elif kind == _LONG_LINK:
                long_link = data.partition(b"\0")[0]
            else:
                # Engines pass over global headers, and over what stands before one.
                records, long_name, long_link = {}, b"", b""
            following = self._next_header()
            if following is None:
                return None
            header = following
        return self._made(header, records, long_name, long_link)

    def _made(self, header: bytes, records: dict[str, str], long_name: bytes, long_link: bytes) -> Member:
        flag = header[156:157]
        if flag == _SPARSE:
            raise SparseFile("a sparse file")
        kind = _KINDS.get(flag)
        if kind is None:
            raise BadTar(f"a member of the unknown type {flag!r}")
        name = _text(long_name) if long_name else records.get("path") or _text(_name(header))
        target = _text(long_link) if long_link else records.get("linkpath") or _text(_field(header, 157, 100))
        if flag == b"\0" and name.endswith("/"):
            kind = "dir"
        size = _decimal(records["size"], "size") if "size" in records else _number(header[124:136], "size")
        if kind != "file":
            # As in archive/tar, whatever such a header says, no content follows it.
            size = 0
        self._left, self._padding = size, -size % _BLOCK
        uid = _decimal(records["uid"], "uid") if "uid" in records else _number(header[108:116], "uid")
        gid = _decimal(records["gid"], "gid") if "gid" in records else _number(header[116:124], "gid")
        if uid > _MAX_ID or gid > _MAX_ID:
            raise BadTar(f"an owner {uid}:{gid}, which should be below 2^32")
        mode = _number(header[100:108], "mode") & 0o7777
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
            raise BadTar("a block of zeros before a header")
        if not _is_sound(header):
            raise BadTar("a header whose checksum is wrong")
        return header

    def _take_block(self) -> bytes | None:
        if self._at == len(self._held):
            self._held, self._at = self._source.read(_BUFFER), 0
            if not self._held:
                return None
        return self._take(_BLOCK)

    def _take(self, amount: int) -> bytes:
        """So many bytes. Raises: BadTar when there are less."""
        piece = self._held[self._at : self._at + amount]
        self._at += len(piece)
        if len(piece) == amount:
            return piece
        pieces, missing = [piece], amount - len(piece)
        while missing:
            self._held, self._at = self._source.read(_BUFFER), 0
            if not self._held:
                raise BadTar("it breaks off")
            self._at = min(missing, len(self._held))
            pieces.append(self._held[: self._at])
            missing -= self._at
        return b"".join(pieces)

    def _skip(self) -> None:
        """Pass over what fills the last block of a content. As in archive/tar, a tar may end within it."""
        padding, self._padding = self._padding, 0
        with contextlib.suppress(BadTar):
            self._take(padding)


def clean_path(name: str) -> str:
    """A member's name as a path of ours: no leading `/` or `./`, and never above the root.

    Raises: BadTar for a path that no system can hold.
    """
    if len(name) > MAX_PATH_BYTES or len(name.encode("utf-8", "surrogateescape")) > MAX_PATH_BYTES:
        raise BadTar(f"a path of {len(name)} characters, which should be at most {MAX_PATH_BYTES} bytes")
    return os.path.normpath(f"/{name}").lstrip("/")


def _target(kind: Kind, target: str) -> str:
    """Where a link points; nothing for what is no link."""
    if kind == "hardlink":
        return clean_path(target)
    if kind != "symlink":
        return ""
    clean_path(target)
    return target


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _field(header: bytes, start: int, length: int) -> bytes:
    return header[start : start + length].partition(b"\0")[0]


def _name(header: bytes) -> bytes:
    """The name of a ustar, star, GNU or older header. Source: archive/tar, `block.getFormat`."""
    name = _field(header, 0, 100)
    if header[257:263] != b"ustar\0" and not _is_odd_gnu(header):
        return name
    prefix = _field(header, 345, 131 if header[257:263] == b"ustar\0" and header[508:512] == b"tar\0" else 155)
    return prefix + b"/" + name if prefix else name


def _is_odd_gnu(header: bytes) -> bool:
    """Whether a GNU header has a prefix where its times should be, as an old Go wrote it and a new one reads it."""
    if header[257:265] != b"ustar  \0" or not _field(header, 345, 155).isascii():
        return False
    try:
        for field in (header[345:357], header[357:369]):
            if field[0] and not field[0] & 0x80:
                _number(field, "time")
    except BadTar:
        return True
    return False


def _is_sound(header: bytes) -> bool:
    """Whether its checksum is that of its bytes, taken as unsigned or, as some old programs did, as signed."""
    rest = header[:148] + b"        " + header[156:]
    total, said = sum(rest), _number(header[148:156], "checksum")
    return said == total or said == total - 256 * sum(byte > 127 for byte in rest)


def _number(field: bytes, what: str) -> int:
    """A number of a header: octal digits, or binary where its first bit is set. Raises: BadTar; none is negative."""
    digits = field.strip(b" \0")
    try:
        if digits.isdigit():
            return int(digits, 8)
    except ValueError:
        raise BadTar(f"a {what} that is no number") from None
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise BadTar(f"a negative {what}")
        return int.from_bytes(bytes((field[0] & 0x3F,)) + field[1:])
    if b"\0" in digits:
        return _number(digits.partition(b"\0")[0], what)
    if digits:
        raise BadTar(f"a {what} that is no number")
    return 0


def _decimal(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise BadTar(f"a {what} that is no number")
    return int(text)


def _pax_records(data: bytes) -> dict[str, str]:
    """The records of a pax header that matter here. Raises: BadTar."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 9)
        digits = data[at:space] if space > at else b""
        end = at + int(digits) if digits.isdigit() else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not (space < end <= len(data)) or data[end - 1 : end] != b"\n" or not equals or not key:
            raise BadTar("a pax header that is no list of records")
        name, at = _text(key), end
        if name.startswith("GNU.sparse."):
            raise SparseFile("a sparse file")
        if name in _WANTED:
            if b"\0" in value and name in ("path", "linkpath"):
                raise BadTar("a path with a zero byte")
            records[name] = _text(value)
    return {name: value for name, value in records.items() if value}
