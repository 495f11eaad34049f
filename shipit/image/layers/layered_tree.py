"""The file tree of several layers, merged while it is read.

Source: OCI image-spec 1.1, layer.md, "Applying Changesets".
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from shipit.errors import BuildError
from shipit.image.layers.index import MAX_WHITEOUTS, LayerIndex, key_text, path_key
from shipit.image.tree.entries import MAX_PATH_BYTES, Entry
from shipit.image.tree.paths import folders_above

_FOLDER = Entry("dir", 0o755)
_Line = tuple[bytes, int, bytes]


@dataclass
class _OpenFolder:
    """A folder during a walk: the key prefix of its content, and the lowest layer whose content is visible in it."""

    prefix: bytes
    path: str
    lowest: int
    is_yielded: bool


class LayeredTree(Mapping[str, Entry]):
    """Finds and walks the visible entries. A parent folder that no layer contains is a folder of mode 0755."""

    def __init__(self, indexes: Sequence[LayerIndex]) -> None:
        self._indexes = indexes
        self._removed: dict[str, int] = {}
        self._opaque: dict[str, int] = {}
        self._lowest: dict[str, int] = {"": 0}
        weight = 0
        for number, index in enumerate(indexes):
            self._removed.update(dict.fromkeys(index.whiteouts.paths, number))
            self._opaque.update(dict.fromkeys(index.whiteouts.opaque, number))
            weight += index.whiteouts.weight
            if weight > MAX_WHITEOUTS:
                raise BuildError("the image's layers remove too many paths", where=index.layer.digest)
        self._lowest[""] = self._opaque.get("", 0)

    def __getitem__(self, path: str) -> Entry:
        if len(path) > MAX_PATH_BYTES:
            raise KeyError(path)
        lowest = self._lowest_below(path.rpartition("/")[0])
        lowest = max(lowest, self._removed.get(path, 0))
        for index in reversed(self._indexes[lowest:]):
            if (entry := index.get(path)) is not None:
                return entry
        if path and any(index.is_above(path) for index in self._indexes[max(lowest, self._opaque.get(path, 0)) :]):
            return _FOLDER
        raise KeyError(path)

    def __iter__(self) -> Iterator[str]:
        return (path for path, _ in self.below(""))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def below(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Path and entry of everything below a folder or the root, each folder before its content."""
        opened = [_OpenFolder(self._prefix(folder), folder, self._lowest_below(folder), True)]
        lines = heapq.merge(*(self._lines(number, folder) for number in range(opened[0].lowest, len(self._indexes))))
        hidden = b"\0"
        for key, group in groupby(lines, itemgetter(0)):
            if key.startswith(hidden):
                continue
            while not key.startswith(opened[-1].prefix):
                opened.pop()
            self._open_parents(opened, key)
            path = key_text(key)
            lowest = max(opened[-1].lowest, self._removed.get(path, 0))
            found = [(-number, rest) for _, number, rest in group if -number >= lowest]
            if found:
                for above in opened:
                    if not above.is_yielded:
                        above.is_yielded = True
                        yield above.path, _FOLDER
                number, rest = found[0]
                entry = self._indexes[number].entry(path, rest)
                yield path, (self._indexes[number].get(path) or entry) if entry.kind == "hardlink" else entry
                if entry.kind != "dir":
                    # A file or link hides everything that lower layers have below its path.
                    hidden = key + b"\0"
                    continue
            kinds = [(number, rest[:1]) for number, rest in found]
            opened.append(_OpenFolder(key + b"\0", path, self._lowest_after(path, lowest, kinds), bool(found)))

    def _lines(self, number: int, folder: str) -> Iterator[_Line]:
        # The topmost layer comes first.
        return ((key, -number, rest) for key, rest in self._indexes[number].lines(folder))

    @staticmethod
    def _prefix(folder: str) -> bytes:
        return path_key(folder) + b"\0" if folder else b""

    def _open_parents(self, opened: list[_OpenFolder], key: bytes) -> None:
        """Open the folders between the last one and a key that no layer contains."""
        base = opened[-1].prefix
        parts = key[len(base) :].split(b"\0")[:-1]
        for count in range(1, len(parts) + 1):
            above = base + b"\0".join(parts[:count])
            path = key_text(above)
            lowest = max(opened[-1].lowest, self._removed.get(path, 0), self._opaque.get(path, 0))
            opened.append(_OpenFolder(above + b"\0", path, lowest, False))

    def _lowest_after(self, path: str, lowest: int, kinds: Sequence[tuple[int, bytes]]) -> int:
        """The lowest layer whose content is visible below a path. `kinds`: the kinds in each layer, topmost first."""
        if kinds and kinds[0][1] != b"d":
            return len(self._indexes)
        covered = max((number for number, kind in kinds if kind != b"d"), default=0)
        return max(lowest, covered, self._opaque.get(path, 0))

    def _lowest_below(self, folder: str) -> int:
        """The lowest layer whose content is visible below a folder; the number of layers when it is not a folder."""
        for above in (*folders_above(folder), folder):
            if above not in self._lowest:
                parent = self._lowest[above.rpartition("/")[0]]
                lowest = max(parent, self._removed.get(above, 0))
                kinds = [
                    (number, b"d" if entry.kind == "dir" else b"f")
                    for number in range(len(self._indexes) - 1, lowest - 1, -1)
                    if (entry := self._indexes[number].get(above)) is not None
                ]
                self._lowest[above] = self._lowest_after(above, lowest, kinds)
        return self._lowest[folder]
