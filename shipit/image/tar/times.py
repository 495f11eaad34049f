"""File times derived from content, so that changed content has another time, and every clone has the same. Pure.

Servers make an ETag of a file's time and size. The times spread over 17 years in seconds, 29 bits of a CRC-32: one
change in half a billion that keeps the file's size also keeps its time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

# From January 2008 to January 2025: in the past for every correct clock.
FIRST_S, SPAN_S = 1_200_000_000, 2**29


def _fastest() -> Callable[[bytes, int], int]:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.crc32
    found: Callable[[bytes, int], int] = isal_zlib.crc32
    return found


# Continues a CRC-32 with more bytes.
checksum = _fastest()


def time_of(crc: int) -> int:
    """The Unix time for content with that CRC-32."""
    return FIRST_S + crc % SPAN_S


def time_of_text(text: str) -> int:
    """The Unix time for a text, such as the target of a link."""
    return time_of(zlib.crc32(text.encode("utf-8", "surrogateescape")))


def folder_times(paths: Iterable[str]) -> dict[str, int]:
    """Folder -> Unix time for each folder of the sorted paths; it changes with the names in the folder."""
    names: dict[str, int] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        names[folder] = zlib.crc32(f"{name}/".encode("utf-8", "surrogateescape"), names.get(folder, 0))
    return {folder: time_of(crc) for folder, crc in names.items()}
