"""Digests of a context's files, remembered by what stat says of them, so that an unchanged file is not read again."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from shipit.image.store import ContentStore
from shipit.image.tar import read_content
from shipit.image.tree import Entry, LocalFile, Stamp

# A file that was written this short a time ago may be written again without its stamp changing.
_YOUNG_NS, _YOUNG_ON_COARSE_DISKS_NS = 100_000_000, 2_000_000_000


Row = list[object]


class FileDigests:
    """SHA-256 of files by path and stamp, for one context. Safe to use from several threads.

    What is remembered is kept apart for each of the context's top folders, and read when one of its files is asked for.
    """

    def __init__(self, context: Path, store: ContentStore) -> None:
        self._store = store
        self._context = f"{context}/"
        self._known: dict[str, dict[str, Row]] = {}
        self._fresh: dict[str, dict[str, Row]] = {}
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def digest(self, path: str, entry: Entry) -> str:
        """The digest of an entry's content, in hexadecimal."""
        content = entry.content
        if not isinstance(content, LocalFile) or content.stamp is None:
            return _read(path, entry)
        top = self._top(content.path)
        row = self._rows(top).get(content.path)
        self._seen.add(content.path)
        if row and row[0] == [*content.stamp]:
            return row[1]  # type: ignore[return-value]
        began_ns = time.time_ns()
        digest = _read(path, entry)
        if not _is_young(content.stamp, began_ns):
            with self._lock:
                self._fresh.setdefault(top, {})[content.path] = [[*content.stamp], digest]
        return digest

    def remember(self, entries: Mapping[str, Entry]) -> bool:
        """Whether the digest of every file is known by its stamp from now on. One that is young may change without one."""
        for entry in entries.values():
            content = entry.content
            if isinstance(content, LocalFile) and content.stamp is not None:
                top = self._top(content.path)
                row = self._fresh.get(top, {}).get(content.path) or self._rows(top).get(content.path)
                if row is None or row[0] != [*content.stamp]:
                    return False
        return True

    def save(self) -> None:
        """Keep what was learnt, without the files that are gone; nothing is written when nothing was."""
        seen = self._seen
        for top, fresh in self._fresh.items():
            known = {path: row for path, row in self._rows(top).items() if path in seen or os.path.lexists(path)}
            self._store.note("files", self._key(top), {**known, **fresh})
        self._fresh = {}

    def _top(self, path: str) -> str:
        folder, slash, _ = path.removeprefix(self._context).partition("/")
        return folder if slash else ""

    def _rows(self, top: str) -> dict[str, Row]:
        rows = self._known.get(top)
        if rows is None:
            noted = self._store.recall("files", self._key(top))
            with self._lock:
                rows = self._known.setdefault(top, noted if isinstance(noted, dict) else {})
        return rows

    def _key(self, top: str) -> str:
        return hashlib.sha256(f"{self._context}{top}".encode("utf-8", "surrogateescape")).hexdigest()


def _is_young(stamp: Stamp, now_ns: int) -> bool:
    """Source: the "racy git" note of git's documentation, for stat-based indexes in general."""
    _, modified_ns, changed_ns, _ = stamp
    newest = max(modified_ns, changed_ns)
    margin = _YOUNG_ON_COARSE_DISKS_NS if newest % 1_000_000_000 == 0 else _YOUNG_NS
    return now_ns - newest < margin


def _read(path: str, entry: Entry) -> str:
    digest = hashlib.sha256()
    for chunk in read_content(path, entry):
        digest.update(chunk)
    return digest.hexdigest()
