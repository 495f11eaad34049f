"""Walks what is below a folder of a tree. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Protocol, runtime_checkable

from shipit.image.tree.entries import Entry


@runtime_checkable
class WalkableTree(Protocol):
    """A tree that can be walked from a folder on."""

    def below(self, folder: str) -> Iterator[tuple[str, Entry]]: ...


def below(tree: Mapping[str, Entry], folder: str) -> Iterator[tuple[str, Entry]]:
    """Path and entry of everything below a folder or the root, each folder before its content."""
    if isinstance(tree, WalkableTree):
        return tree.below(folder)
    prefix = f"{folder}/" if folder else ""
    return ((path, tree[path]) for path in sorted(path for path in tree if path and path.startswith(prefix)))


def children(tree: Mapping[str, Entry], folder: str) -> Iterator[tuple[str, Entry]]:
    """Everything below a folder, with paths relative to it, each folder before its content."""
    skipped = len(folder) + 1 if folder else 0
    return ((path[skipped:], entry) for path, entry in below(tree, folder))


class Children:
    """What is below the folders of a tree, which is sorted once."""

    def __init__(self, tree: Mapping[str, Entry]) -> None:
        self._tree = tree
        self._paths: list[str] | None = None

    def of(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Everything below a folder, with paths relative to it, each folder before its content."""
        if isinstance(self._tree, WalkableTree):
            yield from children(self._tree, folder)
            return
        if self._paths is None:
            self._paths = sorted(self._tree)
        prefix = f"{folder}/" if folder else ""
        for path in islice(self._paths, bisect_left(self._paths, prefix), None):
            if not path.startswith(prefix):
                break
            if path:
                yield path[len(prefix) :], self._tree[path]
