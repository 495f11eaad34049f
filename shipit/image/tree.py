"""A file tree as a value: path -> entry. Paths are relative and use `/`; the root is the empty path."""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from shipit.image.image import Layer


# Named tuples are four times as fast to create, and a context may have many thousands of entries.
class LocalFile(NamedTuple):
    """A file of a context: its root, its path below it, and its stamp. Files of a context share the root's text."""

    folder: str
    name: str
    stamp: str

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


class Slice(NamedTuple):
    """Bytes of a file on disk, extracted from a layer or an archive; the length is the entry's size."""

    file: str
    offset: int


class Inline(NamedTuple):
    data: bytes


class InLayer(NamedTuple):
    """A file that is a member of a layer's tar."""

    layer: Layer
    member: str


Content = LocalFile | Slice | Inline | InLayer
# A hard link's target is a path in the same layer; a special file is a device or a pipe.
Kind = Literal["file", "dir", "symlink", "hardlink", "special"]


class Entry(NamedTuple):
    """One file, folder or link. `mode` holds the permission bits, `target` a link's target; `size` is in bytes.

    `capability` is the value of the extended attribute security.capability, decoded with surrogateescape. `time_s` is a
    Unix time; None when the time is derived from the content.
    """

    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    target: str = ""
    size: int = 0
    content: Content | None = None
    capability: str = ""
    time_s: int | None = None


Tree = dict[str, Entry]
# PATH_MAX: a longer path cannot be unpacked on any system.
MAX_PATH_BYTES = 4096


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


def normal_path(path: str, base: str = "/") -> str:
    """A path in an image, relative to its root; `..` never leaves the root."""
    joined = posixpath.normpath(posixpath.join("/", base, path))
    return joined.lstrip("/")


# The prefix of a whiteout, and the name that makes a folder opaque: OCI image-spec, layer.md.
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


def merge_entries(tree: Tree, entries: Mapping[str, Entry]) -> None:
    """Put entries into a tree. A file or link replaces a folder and its content."""
    for path, entry in entries.items():
        old = tree.get(path)
        if old is not None and old.kind == "dir" and entry.kind != "dir":
            _remove_below(tree, path)
        tree[path] = entry


def _remove_below(tree: Tree, path: str) -> None:
    for below in [name for name in tree if name.startswith(f"{path}/")]:
        del tree[below]


def resolve_path(tree: Mapping[str, Entry], path: str) -> str:
    """Resolve every link in a path within the tree. Loops and missing components are kept as written.

    Raises: ValueError when the path gets too long for any system.
    """
    done, rest, hops = "", [part for part in path.split("/") if part], 0
    while rest:
        candidate = f"{done}/{rest[0]}".lstrip("/")
        if len(candidate) > MAX_PATH_BYTES or len(rest) > MAX_PATH_BYTES:
            raise ValueError(f"/{path[:200]} resolves to a path of more than {MAX_PATH_BYTES} characters")
        entry = tree.get(candidate)
        rest = rest[1:]
        if entry is not None and entry.kind == "symlink" and hops < 40:
            hops += 1
            target = normal_path(entry.target, f"/{posixpath.dirname(candidate)}")
            done, rest = "", [part for part in target.split("/") if part] + rest
        else:
            done = candidate
    return done


def children(tree: Mapping[str, Entry], folder: str) -> Iterator[tuple[str, Entry]]:
    """Everything below a folder, with paths relative to it, each folder before its content."""
    skipped = len(folder) + 1 if folder else 0
    return ((path[skipped:], entry) for path, entry in below(tree, folder))


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


def folders_above(path: str) -> list[str]:
    """The folders above a path, outermost first, without the root."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: index + 1]) for index in range(len(parts))]


def add_parents(tree: Tree) -> None:
    """Add the missing parent folders of all paths: layers and archives may omit them."""
    for path in list(tree):
        folder = path.rpartition("/")[0]
        while folder and folder not in tree:
            tree[folder] = Entry("dir", 0o755)
            folder = folder.rpartition("/")[0]


def parent_folders(tree: Mapping[str, Entry], entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The parent folders of entries, as they are in a tree, unless the entries contain them.

    A layer has to contain its parent folders: engines that unpack layers separately give missing ones another mode.
    """
    kept: dict[str, Entry] = {}
    for path in entries:
        folder = path.rpartition("/")[0]
        while folder and folder not in entries and folder not in kept:
            kept[folder] = tree[folder]
            folder = folder.rpartition("/")[0]
    return kept
