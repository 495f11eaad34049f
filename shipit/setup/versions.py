"""The version of a language that a project asks for, such as `>=3.9,<3.13`, as an image tag has it. Pure.

Source: PEP 440, version specifiers; node-semver, ranges; RubyGems, Gem::Requirement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_Version = tuple[int, ...]
_PART = re.compile(
    r"(?P<sign>\^|~>|~=|~|={1,3}|!=|>=|<=|>|<)?\s*v?(?P<version>\d{1,4}(?:\.\d{1,4}){0,3})(?P<any>(?:\.[xX*])+)?"
    r"(?:-?(?:a|b|c|rc|alpha|beta|dev|p|pre)[\d.]*)?(?![\w.])|(?P<every>[*xX])(?![\w.])"
)
_HYPHEN = re.compile(r"(\d[\d.]*)\s+-\s+(\d[\d.]*)")
# The most characters that are read: what is longer is not clear.
_LONGEST = 200
# Behind the latest release of every version.
_LATEST = 10_000


class _Bounds(NamedTuple):
    """From `low` on, up to `high`, which is none of them; empty for no limit. `is_out`: all but these."""

    low: _Version = ()
    high: _Version = ()
    is_out: bool = False

    def has(self, version: _Version) -> bool:
        is_in = self.low <= version and (not self.high or version < self.high)
        return is_in != self.is_out


def version_for(asked: str, usual: str) -> str:
    """The usual version if it is asked for, else the highest that the bounds name; empty where they are not clear.

    The result has as many numbers as `usual`: its latest release has to be within the bounds.
    """
    if len(asked) > _LONGEST:
        return ""
    length = usual.count(".") + 1
    every: list[_Version] = []
    for alternative in asked.split("||"):
        bounds = _bounds(alternative, length)
        if bounds is None:
            return ""
        named = [_numbers(usual), *(version for one in bounds for version in _named_by(one, length))]
        every += [version for version in named if any(version) and all(one.has((*version, _LATEST)) for one in bounds)]
    if not every or _numbers(usual) in every:
        return usual if every else ""
    return ".".join(map(str, max(every)))


def _bounds(text: str, length: int) -> list[_Bounds] | None:
    """The bounds that hold together; None for what is not clear."""
    text = _HYPHEN.sub(r">=\1 <=\2", text)
    if not text.strip() or _PART.sub("", text).strip(" ,\t\n"):
        return None
    return [_bounds_of(part, length) for part in _PART.finditer(text)]


def _bounds_of(part: re.Match[str], length: int) -> _Bounds:
    if part["every"]:
        return _Bounds()
    sign, version = part["sign"] or "=", _numbers(part["version"])
    if sign == "!=":
        return _Bounds(version, _next(version), is_out=True)
    if sign in (">=", ">"):
        return _Bounds(low=version if sign == ">=" else _next(version))
    if sign in ("<", "<="):
        return _Bounds(high=version if sign == "<" else _next(version))
    if part["any"] or sign.startswith("="):
        # A tag has the latest release: that of the one that is named has to do.
        return _Bounds(version[:length], _next(version[:length]))
    if sign == "^":
        fixed = next((index for index, number in enumerate(version) if number), len(version) - 1) + 1
    else:
        fixed = min(2, len(version)) if sign == "~" else max(1, len(version) - 1)
    return _Bounds(version if fixed <= length else version[:length], _next(version[: min(fixed, length)]))


def _named_by(bounds: _Bounds, length: int) -> Iterator[_Version]:
    """The versions next to bounds, with as many numbers as a tag has."""
    if len(bounds.low) >= length:
        yield bounds.low[:length]
    if len(bounds.high) >= length and bounds.high[length - 1] > 0:
        yield (*bounds.high[: length - 1], bounds.high[length - 1] - 1)


def _numbers(text: str) -> _Version:
    return tuple(map(int, text.split(".")))


def _next(version: _Version) -> _Version:
    return (*version[:-1], version[-1] + 1)
