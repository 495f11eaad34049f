"""The forms of a value in text: escaped, and encoded as programs do it. Pure. Imports escaped and wrapped only.

Source: what GitHub's runner masks of a secret (src/Runner.Common/HostContext.cs: JSON, URI, XML, base64 at three
offsets, command lines), and besides hexadecimal digits, repr, PEM lines and escapes within escapes.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator
from urllib.parse import quote

from shipit.escaped import as_json, escaped_forms, raw_bytes
from shipit.wrapped import BREAK, may_be_wrapped, within

# Longer values: above the first size no escaped forms are searched for, above the second only the value and its lines.
_ESCAPED_UP_TO, _ENCODED_UP_TO = 16 * 1024, 256 * 1024
_TWICE_UP_TO = 4 * 1024
_LEAST_OF_OTHER_CASE = _LEAST_IN_BASE32 = 8
_BREAK = re.compile(BREAK)
_TRUE_BREAK = re.compile(r"[\r\n]+")
# BREAK without spaces beside it, and what has spaces beside it.
_PLAIN_BREAK = re.compile(r"\r\n|\n|\r|\\\\{0,7}r\\{1,8}n|\\\\{0,7}n")
_SPACED_BREAK = re.compile(r"[ \t](?:\r|\n|\\{1,8}[rn])|(?:\r|\n|\\n)[ \t]")
_AUTHORIZATION = re.compile(r"(?:Bearer|Basic|Token)\s+(\S+)", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#\s:@]*:([^/?#\s]+)@")
_SHORTEST_URL_PASSWORD = 8


def _table(form: str, keep: str = "") -> dict[int, str]:
    """A table for str.translate: each byte, but those to keep, as a form writes it."""
    return {byte: form.format(byte) for byte in range(256) if chr(byte) not in keep}


# Every byte in octal digits; the non-printable ones only, and what begins an escape, as the shell and quoted-printable do.
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_OCTAL = _table("\\{:03o}")
_ODD_OCTAL, _ODD_QUOTED = (
    _table("\\{:03o}", _PRINTABLE.replace("\\", "")),
    _table("={:02X}", _PRINTABLE.replace("=", "")),
)


def forms_of(value: str) -> set[str]:
    """Every form of a value to search for, including itself; each is one line."""
    forms: set[str] = set()
    encoded: set[str] = set()
    for own in dict.fromkeys((value, value.strip(), *_inner(value))):
        for part in dict.fromkeys((own, *_lines(own))):
            forms |= set(escaped_forms(part) if len(part) <= _ESCAPED_UP_TO else [part])
            forms |= _other_case(part)
        encoded |= _encoded(raw_bytes(own)) if len(own) <= _ENCODED_UP_TO else set()
    # All of these are printable, so that only an escaped line break can be in them.
    forms |= {form for form in encoded if "\\n" in form}
    wrapped = {form for form in forms if may_be_wrapped(form)}
    whole = {form for form in wrapped if not _TRUE_BREAK.search(form)}
    return (forms - wrapped) | whole | {unwrapped(form) for form in wrapped} | encoded


def bytes_of(value: str) -> set[bytes]:
    """The bytes of a value and of the secret within it, for searching in dumps."""
    return {raw_bytes(own) for own in (value, value.strip(), *_inner(value))}


def _other_case(text: str) -> set[str]:
    """Text in upper and lower case; none for words and URLs, which begin like many other texts."""
    if len(text) < _LEAST_OF_OTHER_CASE or len(text) > _ESCAPED_UP_TO or text.isalpha() or "://" in text:
        return set()
    return {text.upper(), text.lower()}


def _lines(value: str) -> Iterator[str]:
    """The lines of a value of several lines, raw or with escaped line ends."""
    is_file = "-----BEGIN" in value or value.lstrip().startswith("{")
    lines = (_BREAK if is_file else _TRUE_BREAK).split(value)
    yield from (line.strip() for line in lines if len(lines) > 1)


def _inner(value: str) -> Iterator[str]:
    """The secret within a value: the token or the password of a header, the password of a URL."""
    if found := _AUTHORIZATION.fullmatch(value.strip()):
        yield found[1]
        try:
            yield a2b_base64(found[1], strict_mode=True).decode().partition(":")[2]
        except ValueError:
            return
    if (found := _URL_PASSWORD.match(value)) and len(found[1]) >= _SHORTEST_URL_PASSWORD:
        yield found[1]


def unwrapped(text: str) -> str:
    """A text without the matches of `within`, whose search is slow on keys of many lines."""
    bare = _PLAIN_BREAK.sub("", text)
    has_others = (
        "\x1b" in text or "=\n" in text or "=\r" in text or _SPACED_BREAK.search(text) or not bare.isprintable()
    )
    return within().sub("", text) if has_others else bare


def _encoded(data: bytes) -> set[str]:
    """Bytes as hexadecimal digits, as percent and other escapes of every byte, and as base64, once and twice."""
    if not data:
        return {""}
    wide = data.decode("utf-8", "replace").encode("utf-16-le", "replace")
    # Digits as printf, hexdump, xxd, openssl and PowerShell write them.
    hexes = {each.hex() for each in (data, wide)} | {data.hex(mark) for mark in (":", "-")}
    forms = hexes | {each.upper() for each in hexes} | _base64(wide)
    for prefix in ("%", "\\x", "="):
        forms |= {prefix + digits.replace("-", prefix) for digits in (data.hex("-"), data.hex("-").upper())}
    characters = data.decode("latin-1")
    forms |= {characters.translate(table) for table in (_OCTAL, _ODD_OCTAL, _ODD_QUOTED)} | _base32(data)
    once = _base64(data)
    quoted = {form for form in as_json(data.decode("utf-8", "replace")) if form.encode() != data}
    once |= {inner for form in quoted for inner in _base64(form.encode("utf-8", "replace"))}
    twice = {inner for form in once for inner in _base64(form.encode())} if len(data) <= _TWICE_UP_TO else set()
    units = data.decode("utf-8", "replace").encode("utf-16-be", "replace")
    forms.add("\\u" + units.hex("-", 2).replace("-", "\\u"))
    return forms | once | {quote(form, safe="") for form in once} | twice


def _base32(data: bytes) -> set[str]:
    """Bytes in base32, at each of the five offsets. Empty for few bytes, whose form could be a word."""
    if len(data) < _LEAST_IN_BASE32:
        return set()
    from base64 import b32encode

    forms = {b32encode(data).decode()}
    for before in range(5):
        digits = b32encode(b"\0" * before + data).decode().rstrip("=")
        forms.add(digits[(0, 2, 4, 5, 7)[before] : (before + len(data)) * 8 // 5])
    return forms | {form.rstrip("=") for form in forms} | {form.lower() for form in forms}


def _base64(data: bytes) -> set[str]:
    """Bytes in base64 at each of the three offsets, without the characters that depend on neighbouring bytes."""
    whole = b2a_base64(data, newline=False).decode()
    forms = {whole, whole.rstrip("=")}
    for before in range(3):
        text = b2a_base64(b"\0" * before + data, newline=False).decode().rstrip("=")
        whole_digits = (before + len(data)) * 8 // 6
        forms.add(text[(0, 2, 3)[before] : whole_digits])
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}
