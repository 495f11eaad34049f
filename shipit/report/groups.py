"""Many targets in few lines: those with the same result together. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
# Up to so many targets have a line each.
MOST_LINES = 12
# Of a group, so many are named.
_MOST_NAMES = 20


def grouped(pairs: Iterable[tuple[K, str]]) -> Mapping[K, Sequence[str]]:
    """The names of each result, the results in the order of their first name."""
    found: dict[K, list[str]] = {}
    for key, name in pairs:
        found.setdefault(key, []).append(name)
    return found


def listed(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    """`t1, t2`; `t1, t2, ... and 28 more` of many."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])}, ... and {len(names) - most} more"
