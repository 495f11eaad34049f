"""File stamps: what stat says of a file, to detect files that did not change without reading them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable

# A file that was modified this recently may be modified again within the resolution of its times.
_YOUNG_NS, _YOUNG_ON_COARSE_DISKS_NS = 100_000_000, 2_000_000_000


def make_stamp(info: os.stat_result) -> str:
    """The stamp of a file: size in bytes, mtime and ctime in nanoseconds, inode number."""
    return f"{info.st_size} {info.st_mtime_ns} {info.st_ctime_ns} {info.st_ino}"


def is_young(stamp: str, now_ns: int) -> bool:
    """Whether a file may still change without a change of its stamp.

    Source: git's documentation, "racy git", which applies to every index of stats.
    """
    _, modified_ns, changed_ns, _ = map(int, stamp.split())
    newest = max(modified_ns, changed_ns)
    margin = _YOUNG_ON_COARSE_DISKS_NS if newest % 1_000_000_000 == 0 else _YOUNG_NS
    return now_ns - newest < margin


def marks_of(stamps: Iterable[str]) -> bytes:
    """Four bytes for each stamp, in order: enough to estimate how many files changed."""
    return b"".join(zlib.crc32(stamp.encode()).to_bytes(4, "little") for stamp in stamps)


def changed_share(before: bytes, now: bytes) -> float:
    """The share of marks that differ, from 0 to 1; both have the same length."""
    if before == now or not now:
        return 0.0
    if len(before) != len(now):
        return 1.0
    pairs = zip(memoryview(before).cast("I"), memoryview(now).cast("I"), strict=True)
    return sum(old != new for old, new in pairs) / (len(now) // 4)
