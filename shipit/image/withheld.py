"""Files that no builder may read from a context: by path, name, inode or content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from shipit.files import Unreadable, read_file

# Shorter contents may equal a secret by chance.
SHORTEST_CONTENT = 8


@dataclass(frozen=True)
class Withheld:
    """Files to withhold. The values of each mapping describe the file for people; empty ones are not reported.

    `paths` are relative to the context; `names` match files and folders at any depth; `nodes` are (device, inode), for
    hard links and other paths to the same file; `contents`: size in bytes -> SHA-256 -> description, for copies.
    `found` is filled while a context is read: path -> description of each reported file.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[tuple[int, int], str] = field(default_factory=dict)
    contents: Mapping[int, Mapping[bytes, str]] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict, compare=False)

    def holds(self, path: str, name: str) -> bool:
        """Whether a path is withheld by path or name."""
        what = self.paths.get(path)
        if what is None:
            what = self.names.get(name)
        return what is not None and self._report(path, what)

    def holds_file(self, path: str, file: str, info: os.stat_result) -> bool:
        """Whether a regular file is withheld by inode or content; `file` is its path on disk."""
        what = self.nodes.get((info.st_dev, info.st_ino))
        if what is None and info.st_size in self.contents:
            what = self._match_content(file, info.st_size)
        return what is not None and self._report(path, what)

    def _match_content(self, file: str, size: int) -> str | None:
        try:
            data = read_file(file, max_bytes=size)
        except Unreadable:
            # The build reports the error, if it needs the file.
            return None
        return self.contents[size].get(sha256(data).digest())

    def _report(self, path: str, what: str) -> bool:
        if what:
            self.found[path] = what
        return True


def node_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file at a path, links followed; None when it is missing."""
    try:
        info = path.stat()
    except (OSError, ValueError):
        return None
    return (info.st_dev, info.st_ino)
