"""Limits the size of the cache: removes the least recently used files while no process uses the cache.

Each process holds a shared lock on the file `lock`, and appends to the file `grown` how many bytes it wrote. The cache
is scanned only when these sums exceed the limit.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shipit.image.store.cache_files import has_tag, open_regular, remove

# The share of the limit that remains in use after files were removed.
_LEFT = 0.8
# A process that scans the cache holds its lock for a moment.
_WAIT_S, _PAUSE_S = 2.0, 0.02
_LONGEST_GROWN = 64 * 1024


class CacheUse:
    """The use of a cache by this process, until it is closed. Without file locks, nothing is removed."""

    def __init__(self, root: Path, most_bytes: int) -> None:
        self._root, self._most_bytes = root, most_bytes
        self._added = 0
        self._handle = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._close = weakref.finalize(self, os.close, self._handle)
        self._has_lock = _is_locked(self._handle, fcntl.LOCK_SH, _WAIT_S)

    def add(self, size_bytes: int) -> None:
        """Count bytes that were written."""
        self._added += size_bytes

    def close(self) -> None:
        """Release the cache, and remove files when it exceeds its limit. Errors are left to the next run."""
        if not self._close.alive:
            return
        with contextlib.suppress(OSError):
            if self._is_full() and self._has_lock and _is_locked(self._handle, fcntl.LOCK_EX, 0):
                shrink(self._root, self._most_bytes)
        self._close()

    def _is_full(self) -> bool:
        """Whether the cache may exceed its limit, including what this process wrote."""
        grown = self._root / "grown"
        is_known = grown.is_file() and not grown.is_symlink()
        if not is_known:
            remove(grown)
        if self._added:
            with open_regular(grown, "ab") as file:
                file.write(b"%d\n" % self._added)
        elif not is_known:
            return False
        with open_regular(grown) as file:
            data = file.read(_LONGEST_GROWN + 1)
        try:
            return not is_known or len(data) > _LONGEST_GROWN or sum(map(int, data.split())) > self._most_bytes
        except ValueError:
            return True


class _Found(NamedTuple):
    """A file of the cache, ordered by its last use."""

    used_ns: int
    size_bytes: int
    path: str


def shrink(root: Path, most_bytes: int) -> None:
    """Remove the least recently used files until the cache is within its limit, and store its size.

    The caller holds the exclusive lock.
    """
    found = sorted(_files(root))
    total = sum(file.size_bytes for file in found)
    if total > most_bytes:
        for file in found:
            if total <= most_bytes * _LEFT:
                break
            with contextlib.suppress(OSError):
                Path(file.path).unlink()
                total -= file.size_bytes
    remove(root / "grown")
    with open_regular(root / "grown", "ab") as grown:
        grown.write(b"%d\n" % total)


def cache_size(root: Path) -> int:
    """The bytes of the files in a cache; 0 where there is none."""
    return sum(file.size_bytes for file in _files(root)) if has_tag(root) else 0


def clear(root: Path) -> bool:
    """Remove every file of a cache; False where another process uses it. Raises: OSError."""
    if not has_tag(root):
        return True
    handle = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _is_locked(handle, fcntl.LOCK_EX, _WAIT_S):
            return False
        shrink(root, 0)
        return True
    finally:
        os.close(handle)


def _files(root: Path) -> Iterator[_Found]:
    for folder in [*(root / "blobs").iterdir(), *(root / "memo").iterdir()]:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    info = entry.stat(follow_symlinks=False)
                    yield _Found(max(info.st_atime_ns, info.st_mtime_ns), info.st_size, entry.path)


def _is_locked(handle: int, kind: int, within_s: float) -> bool:
    """Whether the lock was acquired within a time, in seconds."""
    end = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE_S)
        except OSError:
            return False
