"""One tree over another, and entries written into a tree. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipit.image.tree.entries import Entry, Tree
from shipit.image.tree.walk import below


class Overlay(Mapping[str, Entry]):
    """One tree over another, for lookups. A file or link in the upper tree hides a folder in the lower one."""

    def __init__(self, upper: Mapping[str, Entry], lower: Mapping[str, Entry]) -> None:
        self._upper = upper
        self._lower = lower

    def __getitem__(self, path: str) -> Entry:
        entry = self._upper.get(path)
        if entry is not None:
            return entry
        if self._is_hidden(path):
            raise KeyError(path)
        return self._lower[path]

    def __iter__(self) -> Iterator[str]:
        yield from self._upper
        yield from (path for path in self._lower if path not in self._upper and not self._is_hidden(path))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def below(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Path and entry of everything below a folder or the root, in order."""
        found = {path: entry for path, entry in below(self._lower, folder) if not self._is_hidden(path)}
        found.update(below(self._upper, folder))
        return iter(sorted(found.items()))

    def _is_hidden(self, path: str) -> bool:
        folder = path.rpartition("/")[0]
        while folder:
            above = self._upper.get(folder)
            if above is not None:
                return above.kind != "dir"
            folder = folder.rpartition("/")[0]
        return False


def merge_entries(tree: Tree, entries: Mapping[str, Entry]) -> None:
    """Put entries into a tree. A file or link replaces a folder and its content."""
    for path, entry in entries.items():
        old = tree.get(path)
        if old is not None and old.kind == "dir" and entry.kind != "dir":
            _remove_below(tree, path)
        tree[path] = entry


def _remove_below(tree: Tree, path: str) -> None:
    for name in [name for name in tree if name.startswith(f"{path}/")]:
        del tree[name]
