"""Digests of a context's files, remembered by what stat says of them, so that an unchanged file is not read again."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

from shipit.image.store import ContentStore
from shipit.image.tar import read_content
from shipit.image.tree import Entry, LocalFile, Stamp

# A file that was written this short a time ago may be written again without its stamp changing.
_YOUNG_NS, _YOUNG_ON_COARSE_DISKS_NS = 100_000_000, 2_000_000_000


class FileDigests:
    """SHA-256 of files by path and stamp, for one context. Safe to use from several threads."""

    def __init__(self, context: Path, store: ContentStore) -> None:
        self._store = store
        self._key = hashlib.sha256(str(context).encode()).hexdigest()
        noted = store.recall("files", self._key)
        self._known: dict[str, list[object]] = noted if isinstance(noted, dict) else {}
        self._fresh: dict[str, list[object]] = {}
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def digest(self, path: str, entry: Entry) -> str:
        """The digest of an entry's content, in hexadecimal."""
        content = entry.content
        stamp = content.stamp if isinstance(content, LocalFile) else None
        if stamp is None or not isinstance(content, LocalFile):
            return _read(path, entry)
        known = self._known.get(content.path)
        self._seen.add(content.path)
        if known and known[0] == [*stamp]:
            return known[1]  # type: ignore[return-value]
        began_ns = time.time_ns()
        digest = _read(path, entry)
        if not _is_young(stamp, began_ns):
            with self._lock:
                self._fresh[content.path] = [list(stamp), digest]
        return digest

    def save(self) -> None:
        """Keep what was learnt, without the files that are gone; nothing is written when nothing was."""
        if self._fresh:
            seen = self._seen
            known = {path: row for path, row in self._known.items() if path in seen or os.path.lexists(path)}
            self._store.note("files", self._key, {**known, **self._fresh})
            self._fresh = {}


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
