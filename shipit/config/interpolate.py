"""`${NAME}` and its forms in the strings of deploy.yml, where a bare `$NAME` is left to the shell, and of stack files, where it is not.

Source: Compose specification, 12-interpolation.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[a-z]+)?")
_BARE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Not one that is written with another `$` before it, which is text.
_REFERENCE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
MAX_NESTED = 20
MAX_CHARACTERS = 1024 * 1024

Lookup = Callable[[str], str | None]
# The next `$` of a text from a position on; the last number is where the text stands in the whole value.
_Find = Callable[[str, int, int], "_Found | None"]


class InterpolationError(ValueError):
    """A mistake in a `${...}`: its offset in the text, and the name that is not set, if any."""

    def __init__(self, what: str, offset: int, *, unset: str = "") -> None:
        super().__init__(what)
        self.offset = offset
        self.unset = unset


def interpolate(text: str, lookup: Lookup, *, has_bare_names: bool = False) -> str:
    """Replace every `${...}`; `$${` gives a literal `${`. With bare names, `$NAME` is replaced, too, and `$$` gives a `$`.

    `lookup` gives a variable's value, or None where it is not set.
    Raises: InterpolationError for a variable without value or default, for a form that is not known, and for a result
    of more than a million characters.
    """
    return _replaced(text, lookup, 0, 0, _bare if has_bare_names else _braced)


def referenced_names(text: str) -> list[str]:
    """The variables of each `${NAME}` in a text, with a default or without."""
    return _REFERENCE.findall(text)


class _Found(NamedTuple):
    """A `$` of a text: where what it means ends, its text, and whether that is the inside of a `${...}`."""

    start: int
    end: int
    text: str
    is_variable: bool = True


def _braced(text: str, position: int, offset: int) -> _Found | None:
    """The next `${...}`, or the next `$${`."""
    start = text.find("${", position)
    if start < 0:
        return None
    if start > position and text[start - 1] == "$":
        return _Found(start - 1, start + 2, "${", is_variable=False)
    end = closing_brace(text, start, offset)
    return _Found(start, end + 1, text[start + 2 : end])


def _bare(text: str, position: int, offset: int) -> _Found | None:
    """The next `${...}`, `$NAME` or `$$`."""
    start = text.find("$", position)
    if start < 0:
        return None
    if text.startswith("$$", start):
        return _Found(start, start + 2, "$", is_variable=False)
    if text.startswith("${", start):
        return _braced(text, start, offset)
    name = _BARE_NAME.match(text, start + 1)
    if name is None:
        raise InterpolationError("should be $NAME or ${NAME}", offset + start)
    return _Found(start, name.end(), name.group())


def _replaced(text: str, lookup: Lookup, offset: int, depth: int, find: _Find) -> str:
    """`offset` is where the text stands in the whole value, `depth` how many `${...}` it stands in."""
    if depth > MAX_NESTED:
        raise InterpolationError(f"${{...}} should nest at most {MAX_NESTED} deep", offset)
    out: list[str] = []
    position = size = 0
    while (found := find(text, position, offset)) is not None:
        out.append(text[position : found.start])
        inner = found.text
        if found.is_variable:
            inner = _expand(found.text, offset + found.start, lookup, depth, find)
            size += len(inner)
            if size > MAX_CHARACTERS:
                raise InterpolationError(f"should be at most {MAX_CHARACTERS:,} characters", offset + found.start)
        out.append(inner)
        position = found.end
    out.append(text[position:])
    return "".join(out)


def closing_brace(text: str, start: int, offset: int = 0) -> int:
    """Where the `${` at `start` ends. `offset` is added in errors. Raises: InterpolationError when it never does."""
    depth, position = 0, start
    while position < len(text):
        if text.startswith("${", position):
            depth += 1
            position += 2
            continue
        if text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    raise InterpolationError("${ is never closed: a } is missing, or write $${ for a literal ${", offset + start)


def _expand(body: str, offset: int, lookup: Lookup, depth: int, find: _Find) -> str:
    match = _NAME.match(body)
    if not match:
        raise InterpolationError(f"${{{body}}} should begin with a variable's name", offset)
    name, rest = match.group(), body[match.end() :]
    operator = next((operator for operator in _OPERATORS if rest.startswith(operator)), "")
    if rest and not operator:
        raise InterpolationError(
            f"${{{body}}} should be ${{{name}}}, ${{{name}:-default}} or ${{{name}:?message}}", offset
        )
    word, value = rest[len(operator) :], lookup(name)
    inside = offset + 2 + len(name) + len(operator)
    empty = value is None or (operator.startswith(":") and value == "")
    if operator.endswith("+"):
        return "" if empty else _replaced(word, lookup, inside, depth + 1, find)
    if not empty and value is not None:
        return value
    if operator.endswith("-"):
        return _replaced(word, lookup, inside, depth + 1, find)
    reason = _replaced(word, lookup, inside, depth + 1, find) or "it is required" if operator else ""
    raise InterpolationError(f"{name} is not set{': ' + reason if reason else ''}", offset, unset=name)
