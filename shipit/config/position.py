"""Positions in a file, and the excerpt with a caret that messages show. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shipit.config.masking import Private

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_WIDEST = 160
# The password of a URL.
_PASSWORD = re.compile(r"(?<=://)([^/?#\s:@\"']*:)([^/?#\s\"']+)(?=@)")


# A path of keys and indices in a file.
Keys = tuple[str | int, ...]


class Position(NamedTuple):
    """Line and column, both from 1, how many characters the token spans (at least 1), and the file as messages call it."""

    line: int
    column: int
    width: int = 1
    file: str = ""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def lines_of(text: str) -> list[str]:
    """The lines of a text without their ends, split where YAML splits them."""
    return _BREAK.split(text)


def excerpt(lines: Sequence[str], at: Position, part: Private | None = None) -> tuple[str, ...]:
    """The line of a position, and a caret under its token; empty where it is not among the lines, or blank.

    `part` of the line is private, and not shown. Of a long line the part around the token is shown. What a terminal would
    obey is shown as `\ufffd`.
    """
    if not 1 <= at.line <= len(lines) or not lines[at.line - 1].strip():
        return ()
    from shipit.config.masking import shown_line

    source, start, width = _PASSWORD.sub(_starred, lines[at.line - 1]), at.column - 1, at.width
    if part is not None:
        source, start, width = shown_line(source, start, width, part)
    before, behind = "", ""
    if len(source) > _WIDEST:
        first = max(0, start - _WIDEST // 2)
        last = first + _WIDEST
        before, behind = "..." if first else "", "..." if last < len(source) else ""
        source, start = source[first:last], start - first
    source = "".join(char if char.isprintable() else (" " if char == "\t" else "\ufffd") for char in source)
    token = source[start : start + width]
    caret = "^" * max(1, _columns(token))
    number = str(at.line)
    indent = " " * (len(before) + _columns(source[:start]))
    return (f"{number} | {before}{source}{behind}", f"{' ' * len(number)} | {indent}{caret}")


def variable_at(lines: Sequence[str], at: Position, number: int) -> Position:
    """The position of a `${...}`, the `number`th (from 0) behind a position; that position where there is none.

    It may stand lines below, in block text, and behind characters that are written in several.
    """
    line, column = at.line - 1, at.column - 1
    while line < len(lines):
        column = lines[line].find("${", column)
        if column >= 0 and number == 0:
            return at._replace(line=line + 1, column=column + 1, width=_width(lines[line][column:]))
        line, column, number = (line + 1, 0, number) if column < 0 else (line, column + 2, number - 1)
    return at


def _width(text: str) -> int:
    """The length of the `${...}` at the beginning of a text."""
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if char == "}" and depth == 0:
            return index + 1
    return len(text.rstrip().rstrip("'\""))


def _starred(match: re.Match[str]) -> str:
    """As long as it was, so that the token stays where it is."""
    return match[1] + "*" * len(match[2])


def _columns(text: str) -> int:
    """The width of a text in the columns of a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
