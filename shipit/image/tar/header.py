"""Fields and checksums of a tar's headers: ustar, star, GNU and pax. Pure.

Source: POSIX.1-2001, pax and ustar Interchange Formats; the GNU tar manual, "Basic Tar Format"; archive/tar of Go 1.24.
"""

from __future__ import annotations

from shipit.image.tar.write import CAPABILITY

_MAX_DIGITS = 20
# The keys of a pax header that are read.
_PAX_KEYS = {"path", "linkpath", "size", "uid", "gid", CAPABILITY}


class BadTar(ValueError):
    """The bytes are not a tar, or a tar that no engine unpacks."""


class SparseFile(BadTar):
    """A sparse file: engines read it, the native builder does not."""


def decode_name(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def text_field(header: bytes, start: int, length: int) -> bytes:
    return header[start : start + length].partition(b"\0")[0]


def member_name(header: bytes) -> bytes:
    """The name in a ustar, star, GNU or older header. Source: archive/tar, `block.getFormat`."""
    name = text_field(header, 0, 100)
    if header[257:263] != b"ustar\0" and not _has_gnu_prefix(header):
        return name
    prefix = text_field(header, 345, 131 if header[257:263] == b"ustar\0" and header[508:512] == b"tar\0" else 155)
    return prefix + b"/" + name if prefix else name


def _has_gnu_prefix(header: bytes) -> bool:
    """Whether a GNU header has a name prefix in the place of its times; old versions of Go wrote those."""
    if header[257:265] != b"ustar  \0" or not text_field(header, 345, 155).isascii():
        return False
    try:
        for field in (header[345:357], header[357:369]):
            if field[0] and not field[0] & 0x80:
                parse_number(field, "time")
    except BadTar:
        return True
    return False


def has_valid_checksum(header: bytes) -> bool:
    """Whether the checksum is correct, for unsigned bytes or, as some old programs wrote it, signed bytes."""
    rest = header[:148] + b"        " + header[156:]
    total, expected = sum(rest), parse_number(header[148:156], "checksum")
    return expected == total or expected == total - 256 * sum(byte > 127 for byte in rest)


def parse_number(field: bytes, what: str) -> int:
    """A number in a header: octal digits, or binary when its first bit is set. Raises: BadTar, also when negative."""
    digits = field.strip(b" \0")
    try:
        if digits.isdigit():
            return int(digits, 8)
    except ValueError:
        raise BadTar(f"a {what} that is not a number") from None
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise BadTar(f"a negative {what}")
        return int.from_bytes(bytes((field[0] & 0x3F,)) + field[1:])
    if b"\0" in digits:
        return parse_number(digits.partition(b"\0")[0], what)
    if digits:
        raise BadTar(f"a {what} that is not a number")
    return 0


def parse_decimal(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise BadTar(f"a {what} that is not a number")
    return int(text)


def parse_pax_records(data: bytes) -> dict[str, str]:
    """The known records of a pax header: key -> value, without empty values. Raises: BadTar."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 9)
        digits = data[at:space] if space > at else b""
        end = at + int(digits) if digits.isdigit() else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not (space < end <= len(data)) or data[end - 1 : end] != b"\n" or not equals or not key:
            raise BadTar("a pax header that is not a list of records")
        name, at = decode_name(key), end
        if name.startswith("GNU.sparse."):
            raise SparseFile("a sparse file")
        if name in _PAX_KEYS:
            if b"\0" in value and name in ("path", "linkpath"):
                raise BadTar("a path with a NUL byte")
            records[name] = decode_name(value)
    return {name: value for name, value in records.items() if value}
