"""What is left out of a build's context, whoever builds: by its path, its name, its node on the disk, and its content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

# Shorter contents are no secret's only.
SHORTEST_CONTENT = 8


@dataclass(frozen=True)
class Withheld:
    """What no build sees. Each mapping's values say what it is, empty for what goes without saying.

    `paths` are relative to the context, `names` stand for files and folders of that name anywhere, `nodes` are device and
    inode, for hard links and other ways to one file; `contents` are the SHA-256 of files by their size, for copies.
    `found` is filled while a context is read: path -> what it is, for all that is said.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[tuple[int, int], str] = field(default_factory=dict)
    contents: Mapping[int, Mapping[bytes, str]] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict, compare=False)

    def holds(self, path: str, name: str) -> bool:
        """Whether a path is left out for where it is."""
        what = self.paths.get(path)
        if what is None:
            what = self.names.get(name)
        return what is not None and self._told(path, what)

    def holds_file(self, path: str, file: str, info: os.stat_result) -> bool:
        """Whether a regular file is left out for what it is; `file` is where it can be read."""
        what = self.nodes.get((info.st_dev, info.st_ino))
        if what is None and info.st_size in self.contents:
            what = self._copy_of(file, info.st_size)
        return what is not None and self._told(path, what)

    def _copy_of(self, file: str, size: int) -> str | None:
        try:
            data = Path(file).read_bytes() if size <= max(self.contents) else b""
        except OSError:
            # The build says why it can't be read, if it needs it.
            return None
        return self.contents[size].get(sha256(data).digest())

    def _told(self, path: str, what: str) -> bool:
        if what:
            self.found[path] = what
        return True


def node_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of what a path leads to; None where that is not there."""
    try:
        info = path.stat()
    except (OSError, ValueError):
        return None
    return (info.st_dev, info.st_ino)
