"""The forms of a value in text: escaped and encoded as programs do it. Pure. Imports nothing.

Source: what GitHub's runner masks of a secret (src/Runner.Common/HostContext.cs: JSON, URI, XML, base64 at three
offsets, command lines), and besides hexadecimal digits, repr, PEM lines and escapes within escapes.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterator
from struct import iter_unpack
from urllib.parse import quote, quote_plus

# Longer values: above the first size no escaped forms are searched for, above the second only the value and its lines.
_ESCAPED_UP_TO, _ENCODED_UP_TO = 16 * 1024, 256 * 1024
_TWICE_UP_TO = 4 * 1024
_LEAST_OF_OTHER_CASE = _LEAST_IN_BASE32 = 8
# A line break, raw or escaped, with the spaces around it.
BREAK = r"(?:(?<![ \t])[ \t]+)?(?:\r\n|\n|\r|(?:\\{1,8}r)?\\{1,8}n)[ \t]*"
_BREAK = re.compile(BREAK)
# What wrapping and colouring insert into a value: line breaks (also of quoted-printable), escape sequences (CSI, OSC), invisible characters.
WITHIN = re.compile(
    rf"=(?:\r\n|\n)|{BREAK}|\x1b\[[0-9;:?]{{0,64}}[ -/]?[@-~]|\x1b\][^\x07\x1b\n]{{0,512}}(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_TRUE_BREAK = re.compile(r"[\r\n]+")
_AUTHORIZATION = re.compile(r"(?:Bearer|Basic|Token)\s+(\S+)", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#\s:@]*:([^/?#\s]+)@")
_SHORTEST_URL_PASSWORD = 8
_HEX_ESCAPE = re.compile(r"(?<=\\u)[0-9a-f]{4}|(?<=\\x)[0-9a-f]{2}|(?<=&#x)[0-9a-f]+(?=;)")
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def forms_of(value: str) -> set[str]:
    """Every form of a value to search for, including itself; each is one line."""
    forms: set[str] = set()
    for own in dict.fromkeys((value, value.strip(), *_inner(value))):
        for part in dict.fromkeys((own, *_lines(own))):
            forms |= set(_written(part) if len(part) <= _ESCAPED_UP_TO else [part])
            forms |= _other_case(part)
        forms |= _encoded(_bytes(own)) if len(own) <= _ENCODED_UP_TO else set()
    return {form for form in forms if not _TRUE_BREAK.search(form)} | {WITHIN.sub("", form) for form in forms}


def bytes_of(value: str) -> set[bytes]:
    """The bytes of a value and of the secret within it, for searching in dumps."""
    return {_bytes(own) for own in (value, value.strip(), *_inner(value))}


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


def _written(text: str) -> Iterator[str]:
    """Text as escaped by languages and formats, also nested."""
    once = {text, *_escaped(text)}
    yield from once
    if text.isascii() and text.isalnum():
        return
    for form in once:
        yield from _escaped(form)


def _escaped(text: str) -> Iterator[str]:
    yield from (form for escaped in _ESCAPES for form in escaped(text))


def _json(text: str) -> Iterator[str]:
    from json import dumps

    for ensure_ascii in (True, False):
        plain = dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        # PHP escapes the slash, Go what HTML knows.
        go = plain.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
        for form in (plain, plain.replace("/", "\\/"), go):
            yield form
            yield _HEX_ESCAPE.sub(lambda match: match[0].upper(), form)


def _repr(text: str) -> Iterator[str]:
    for shown in (repr(text)[1:-1], repr(_bytes(text))[2:-1]):
        yield shown
        yield shown.replace("\\'", "'").replace('"', '\\"')
        yield shown.replace("\\'", "'").replace("'", "\\'")


def _markup(text: str) -> Iterator[str]:
    from html import escape

    plain = escape(text, quote=False)
    yield plain
    for apostrophe in ("'", "&#x27;", "&#39;", "&apos;"):
        for mark in ("&quot;", "&#34;"):
            form = plain.replace("'", apostrophe).replace('"', mark)
            yield form
            yield form.encode("ascii", "xmlcharrefreplace").decode()


def _percent(text: str) -> Iterator[str]:
    data = _bytes(text)
    # Nothing safe, a path's rules, JavaScript's encodeURIComponent and encodeURI, Go's PathEscape and user of a URL,
    # requests' requote_uri, what RFC 3986 lets a path hold.
    for safe in _SAFE:
        yield from _both_cases(quote(data, safe=safe))
    yield from _both_cases(quote_plus(data))


def _both_cases(text: str) -> Iterator[str]:
    yield text
    yield _PERCENT.sub(lambda match: match[0].lower(), text)


def _shell(text: str) -> Iterator[str]:
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "''")
    yield re.sub(r'([\\"$`])', r"\\\1", text)
    yield re.sub(r"([^A-Za-z0-9_./:=@%+,\-])", r"\\\1", text)


_SAFE = (
    "",
    "/",
    "!'()*",
    ";,/?:@&=+$!*'()#",
    "$&+:=@",
    "$&+,;=",
    "!#$%&'()*+,/:;=?@[]~",
    "/!$&'()*+,;=:@",
    "!$&'()*+,;=",
)
_ESCAPES: tuple[Callable[[str], Iterator[str]], ...] = (_json, _repr, _markup, _percent, _shell)


def _encoded(data: bytes) -> set[str]:
    """Bytes as hexadecimal digits, as percent and other escapes of every byte, and as base64, once and twice."""
    wide = data.decode("utf-8", "replace").encode("utf-16-le", "replace")
    # Digits as printf, hexdump, xxd, openssl and PowerShell write them.
    hexes = {each.hex() for each in (data, wide)} | {data.hex(mark) for mark in (":", "-")}
    forms = hexes | {each.upper() for each in hexes} | _base64(wide)
    for prefix in ("%", "\\x", "="):
        every = "".join(f"{prefix}{byte:02x}" for byte in data)
        forms |= {every, every.replace(prefix, "\0").upper().replace("\0", prefix)}
    forms.add("".join(f"\\{byte:03o}" for byte in data))
    forms |= _base32(data) | {_with_odd_bytes(data, "\\{:03o}", b"\\"), _with_odd_bytes(data, "={:02X}", b"=")}
    once = _base64(data)
    quoted = {form for form in _json(data.decode("utf-8", "replace")) if form.encode() != data}
    once |= {inner for form in quoted for inner in _base64(form.encode("utf-8", "replace"))}
    twice = {inner for form in once for inner in _base64(form.encode())} if len(data) <= _TWICE_UP_TO else set()
    forms.add("".join(f"\\u{unit:04x}" for (unit,) in iter_unpack("<H", wide)))
    return forms | once | {quote(form, safe="") for form in once} | twice


def _with_odd_bytes(data: bytes, form: str, more: bytes) -> str:
    """Bytes as text in which non-printable bytes, and those in `more`, are escaped."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte not in more else form.format(byte) for byte in data)


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


def _bytes(text: str) -> bytes:
    """The bytes that a text was decoded from, also when they were not UTF-8."""
    return text.encode("utf-8", "surrogateescape" if not _has_other_surrogates(text) else "surrogatepass")


def _has_other_surrogates(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" and not "\udc80" <= char <= "\udcff" for char in text)
