"""`${NAME}` and its forms in the strings of deploy.yml. Bare `$NAME` is the shell's and stays.

Source: Compose specification, 12-interpolation.md, the braced forms.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[a-z]+)?")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")

Lookup = Callable[[str], str | None]


class InterpolationError(ValueError):
    """What is wrong with a `${...}`, and at which offset of the text it stands."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.offset = offset


def interpolate(text: str, lookup: Lookup) -> str:
    """Replace every `${...}`; `$${` gives a literal `${`.

    `lookup` gives a variable's value, or None where it is not set.
    Raises: InterpolationError for a variable without value or default, and for a form that is not known.
    """
    out, position = [], 0
    while (start := text.find("${", position)) >= 0:
        if start > position and text[start - 1] == "$":
            out.append(text[position : start - 1] + "${")
            position = start + 2
            continue
        out.append(text[position:start])
        end = _closing(text, start)
        out.append(_expand(text[start + 2 : end], start, lookup))
        position = end + 1
    out.append(text[position:])
    return "".join(out)


def _closing(text: str, start: int) -> int:
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
    raise InterpolationError("${ is never closed: a } is missing, or write $${ for a literal ${", start)


def _expand(body: str, offset: int, lookup: Lookup) -> str:
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
    empty = value is None or (operator.startswith(":") and value == "")
    if operator.endswith("+"):
        return "" if empty else interpolate(word, lookup)
    if not empty and value is not None:
        return value
    if operator.endswith("-"):
        return interpolate(word, lookup)
    if operator.endswith("?"):
        raise InterpolationError(f"{name} is not set: {interpolate(word, lookup) or 'it is required'}", offset)
    raise InterpolationError(f"{name} is not set", offset)
