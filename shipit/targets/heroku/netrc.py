"""The netrc file, read as its rules say and as the Heroku CLI writes it. Pure.

Source: netrc(5) of GNU inetutils; curl's netrc format; the package netrc-parser of the Heroku CLI.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_WORD = re.compile(r'"((?:[^"\\\n]|\\.)*)"(?=\s|$)|(\S+)')
_LINE_END = re.compile(r"\r\n|\r|\n")
_TAKE_A_VALUE = ("machine", "login", "account", "password")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class _Word(NamedTuple):
    """A word; `pair` is whether it is the first of a line of exactly two words."""

    text: str
    pair: bool


def find_password(data: bytes, host: str) -> str:
    """The password of the first entry of a host that has one; empty where there is none.

    The `default` entry is not used: its password was not written for this host. Words that are not known are left out.
    """
    words = _words(_decoded(data))
    is_ours, found = False, ""
    for word in words:
        if word.text == "machine":
            is_ours = _value(words).lower() == host.lower()
        elif word.text == "default":
            is_ours = False
        elif word.text in _TAKE_A_VALUE:
            value = _value(words)
            if is_ours and word.text == "password":
                found = found or value
        elif word.pair:
            next(words, None)
    return found


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _words(text: str) -> Iterator[_Word]:
    """Words outside of macros; a line that begins with `#` is a comment, and so is what a word `#...` begins."""
    is_macro = False
    for line in _LINE_END.split(text):
        if is_macro:
            is_macro = bool(line.strip())
            continue
        if line.lstrip().startswith("#"):
            continue
        found = [_unquoted(match) for match in _WORD.finditer(line)]
        for index, word in enumerate(found):
            is_value = bool(index) and found[index - 1] in _TAKE_A_VALUE
            is_macro = word == "macdef" and not is_value
            if is_macro or (word.startswith("#") and not is_value):
                break
            yield _Word(word, index == 0 and len(found) == 2)


def _value(words: Iterator[_Word]) -> str:
    word = next(words, None)
    return word.text if word else ""


def _unquoted(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[2]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1])
