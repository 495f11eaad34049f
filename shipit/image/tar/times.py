"""The times of what an image holds, derived from what they are of: what changed has another, in any clone the same. Pure.

Servers make an ETag of a file's time and size. Seventeen years of seconds hold 29 bits of a CRC-32: of half a billion
changes that keep a file's size, one gets the time of before.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

# From January 2008 to January 2025: the past, wherever a clock is right.
FIRST_S, SPAN_S = 1_200_000_000, 2**29


def _fastest() -> Callable[[bytes, int], int]:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.crc32
    found: Callable[[bytes, int], int] = isal_zlib.crc32
    return found


# The CRC-32 of bytes behind those that a first one is of.
checksum = _fastest()


def time_of(crc: int) -> int:
    """The time, in Unix seconds, of what has a CRC-32."""
    return FIRST_S + crc % SPAN_S


def time_of_text(text: str) -> int:
    """That of a link, by what it leads to."""
    return time_of(zlib.crc32(text.encode("utf-8", "surrogateescape")))


def folder_times(paths: Iterable[str]) -> dict[str, int]:
    """The time of each folder that holds one of the paths, which are in order: it changes with the names in it."""
    names: dict[str, int] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        names[folder] = zlib.crc32(f"{name}/".encode("utf-8", "surrogateescape"), names.get(folder, 0))
    return {folder: time_of(crc) for folder, crc in names.items()}
