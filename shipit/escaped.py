"""A text as languages and formats escape it: JSON, repr, markup, percent signs, command lines. Pure. Imports nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from urllib.parse import quote, quote_plus

_HEX_ESCAPE = re.compile(r"(?<=\\u)[0-9a-f]{4}|(?<=\\x)[0-9a-f]{2}|(?<=&#x)[0-9a-f]+(?=;)")
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_MARK = re.compile(r"([^0-9A-Za-z])")
# Escapes write these in one way or another by their neighbours or the whole text: quotes, and what escapes begin with.
_DEPENDENT = frozenset("\\'\"&<>%\x7f") | {chr(code) for code in range(32)} - set("\t\n\r")


def escaped_forms(text: str) -> Iterator[str]:
    """Text as escaped by languages and formats, once and twice; includes the text itself."""
    if not _is_simple(text):
        yield from escape_twice(text)
        return
    parts = _MARK.split(text)
    marks = parts[1::2]
    yield text
    for table in _tables("".join(sorted(set(marks)))):
        parts[1::2] = [table[mark] for mark in marks]
        yield "".join(parts)


def _is_simple(text: str) -> bool:
    """True where every escape writes each character of a text in one way, whatever is beside it.

    Keys and tokens are simple, and long: escaping them mark by mark takes a hundredth of the time.
    """
    return text.isascii() and _DEPENDENT.isdisjoint(text)


@cache
def _tables(marks: str) -> tuple[dict[str, str], ...]:
    """A table for each form of a simple text: mark -> the mark as that form writes it."""
    if not marks:
        return ()
    # No escape changes a Z or writes one.
    forms = dict.fromkeys(escape_twice("Z".join(marks)))
    return tuple(dict(zip(marks, form.split("Z"), strict=True)) for form in forms)


def escape_twice(text: str) -> Iterator[str]:
    """Text as each escape writes it, and as each writes what another has written."""
    once = {text, *_escaped(text)}
    yield from once
    for form in once:
        yield from _escaped(form)


def _escaped(text: str) -> Iterator[str]:
    yield from (form for escaped in _ESCAPES for form in escaped(text))


def as_json(text: str) -> Iterator[str]:
    from json import dumps

    for ensure_ascii in (True, False):
        plain = dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        # PHP escapes the slash, Go what HTML knows.
        go = plain.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
        for form in (plain, plain.replace("/", "\\/"), go):
            yield form
            yield _HEX_ESCAPE.sub(lambda match: match[0].upper(), form)


def _repr(text: str) -> Iterator[str]:
    for shown in (repr(text)[1:-1], repr(raw_bytes(text))[2:-1]):
        yield shown
        yield shown.replace("\\'", "'").replace('"', '\\"')
        yield shown.replace("\\'", "'").replace("'", "\\'")


def _markup(text: str) -> Iterator[str]:
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield plain
    for apostrophe in ("'", "&#x27;", "&#39;", "&apos;"):
        for mark in ("&quot;", "&#34;"):
            form = plain.replace("'", apostrophe).replace('"', mark)
            yield form
            yield form.encode("ascii", "xmlcharrefreplace").decode()


def _percent(text: str) -> Iterator[str]:
    data = raw_bytes(text)
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
_ESCAPES: tuple[Callable[[str], Iterator[str]], ...] = (as_json, _repr, _markup, _percent, _shell)


def raw_bytes(text: str) -> bytes:
    """The bytes that a text was decoded from, also when they were not UTF-8."""
    if text.isascii():
        return text.encode()
    return text.encode("utf-8", "surrogateescape" if not _has_other_surrogates(text) else "surrogatepass")


def _has_other_surrogates(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" and not "\udc80" <= char <= "\udcff" for char in text)
