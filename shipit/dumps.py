"""Values in dumps of bytes: hexadecimal or octal digits in groups, as xxd, hexdump and od write them. Pure. Imports nothing.

A dump breaks a value into rows with an offset before and text behind, so rows are decoded and searched for parts of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

Span = tuple[int, int]

# How many bytes of a value have to match; fewer at the end and the beginning of a row.
_WINDOW, _FEWEST = 8, 4
_LONGEST = 16 * 1024
# Groups of two or four hexadecimal digits, or of three octal ones, with one or two spaces between.
_ROW = (
    r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}(?:[0-9a-fA-F]{2})?(?: {1,2}[0-9a-fA-F]{2}(?:[0-9a-fA-F]{2})?)+"
    r"|[0-3][0-7]{2}(?: {1,2}[0-3][0-7]{2}){3,})(?![0-9A-Za-z])"
)
# A part that every row contains and that is faster to find.
_SIGN = r" (?:[0-9a-fA-F]{2} {1,2}[0-9a-fA-F]{2}|[0-9a-fA-F]{4}|[0-3][0-7]{2} {1,2}[0-3][0-7]{2})(?![0-9A-Za-z])"
_GROUP = re.compile(r"[0-9a-fA-F]+")


# Compiled when a text is searched for the first time: every command imports this module.
_compiled = cache(re.compile)


class Fragments(NamedTuple):
    """Parts of values: `windows` match anywhere in a row, `heads` at its end, `tails` at its beginning."""

    windows: frozenset[bytes] = frozenset()
    heads: frozenset[bytes] = frozenset()
    tails: frozenset[bytes] = frozenset()


def fragments_of(values: Iterable[bytes]) -> Fragments:
    """The parts of values of at most 16 KiB. A value of fewer than four bytes has none."""
    windows: set[bytes] = set()
    heads: set[bytes] = set()
    tails: set[bytes] = set()
    for value in values:
        if _FEWEST <= len(value) <= _LONGEST:
            size = min(_WINDOW, len(value))
            windows |= {value[at : at + size] for at in range(len(value) - size + 1)}
            heads |= {value[:count] for count in range(_FEWEST, size)}
            tails |= {value[-count:] for count in range(_FEWEST, size)}
    return Fragments(frozenset(windows), frozenset(heads), frozenset(tails))


def spans_in_dumps(text: str, fragments: Fragments) -> list[Span]:
    """The positions of parts of values in the dumps within a text."""
    if not fragments.windows or _compiled(_SIGN).search(text) is None:
        return []
    return [span for row in _compiled(_ROW).finditer(text) for span in _in_row(row, fragments)]


def _in_row(row: re.Match[str], fragments: Fragments) -> Iterator[Span]:
    groups = [(row.start() + group.start(), group[0]) for group in _GROUP.finditer(row[0])]
    for places, data in _decoded(groups):
        for first, last in _found(data, fragments):
            begins, ends = sorted((places[first], places[last]))
            yield begins[0], ends[1]


def _decoded(groups: list[tuple[int, str]]) -> Iterator[tuple[list[Span], bytes]]:
    """The bytes of a row with their positions: as written, and with the two bytes of each group swapped."""
    if all(len(digits) == 3 for _, digits in groups):
        yield [(at, at + 3) for at, _ in groups], bytes(int(digits, 8) for _, digits in groups)
        return
    places = [(at + within, at + within + 2) for at, digits in groups for within in range(0, len(digits), 2)]
    yield places, bytes.fromhex("".join(digits for _, digits in groups))
    if any(len(digits) == 4 for _, digits in groups):
        swapped = [(at, digits[2:] + digits[:2]) for at, digits in groups]
        # Both bytes of a group have the group's position, so that the whole group is masked.
        both = [(at, at + len(digits)) for at, digits in groups for _ in range(len(digits) // 2)]
        yield both, bytes.fromhex("".join(digits for _, digits in swapped))


def _found(data: bytes, fragments: Fragments) -> Iterator[tuple[int, int]]:
    """The first and last byte of each part of a value."""
    sizes = {len(window) for window in fragments.windows}
    for size in sizes:
        for at in range(len(data) - size + 1):
            if data[at : at + size] in fragments.windows:
                yield at, at + size - 1
    for count in range(_FEWEST, min(_WINDOW, len(data) + 1)):
        if data[-count:] in fragments.heads:
            yield len(data) - count, len(data) - 1
        if data[:count] in fragments.tails:
            yield 0, count - 1
