"""`${NAME}` and its forms in the strings of deploy.yml. A bare `$NAME` is left to the shell.

Source: Compose specification, 12-interpolation.md, the braced forms.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[a-z]+)?")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
MAX_NESTED = 20
MAX_CHARACTERS = 1024 * 1024

Lookup = Callable[[str], str | None]


class InterpolationError(ValueError):
    """A mistake in a `${...}`: its offset in the text, and the name that is not set, if any."""

    def __init__(self, what: str, offset: int, *, unset: str = "") -> None:
        super().__init__(what)
        self.offset = offset
        self.unset = unset


def interpolate(text: str, lookup: Lookup) -> str:
    """Replace every `${...}`; `$${` gives a literal `${`.

    `lookup` gives a variable's value, or None where it is not set.
    Raises: InterpolationError for a variable without value or default, for a form that is not known, and for a result
    of more than a million characters.
    """
    return _replaced(text, lookup, 0, 0)


def _replaced(text: str, lookup: Lookup, offset: int, depth: int) -> str:
    """`offset` is where the text stands in the whole value, `depth` how many `${...}` it stands in."""
    if depth > MAX_NESTED:
        raise InterpolationError(f"${{...}} should nest at most {MAX_NESTED} deep", offset)
    out: list[str] = []
    position = size = 0
    while (start := text.find("${", position)) >= 0:
        if start > position and text[start - 1] == "$":
            out.append(text[position : start - 1] + "${")
            position = start + 2
            continue
        out.append(text[position:start])
        end = closing_brace(text, start, offset)
        out.append(_expand(text[start + 2 : end], offset + start, lookup, depth))
        size += len(out[-1])
        if size > MAX_CHARACTERS:
            raise InterpolationError(f"should be at most {MAX_CHARACTERS:,} characters", offset + start)
        position = end + 1
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


def _expand(body: str, offset: int, lookup: Lookup, depth: int) -> str:
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
        return "" if empty else _replaced(word, lookup, inside, depth + 1)
    if not empty and value is not None:
        return value
    if operator.endswith("-"):
        return _replaced(word, lookup, inside, depth + 1)
    reason = _replaced(word, lookup, inside, depth + 1) or "it is required" if operator else ""
    raise InterpolationError(f"{name} is not set{': ' + reason if reason else ''}", offset, unset=name)
