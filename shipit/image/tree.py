"""A file tree as a value: what COPY reads from and writes over. Paths are relative, with `/`; the root is the empty path."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from shipit.image.image import Layer

# Size, time of change of the content and of the node in nanoseconds, and the node's number.
Stamp = tuple[int, int, int, int]


# Named tuples, since a context may have many thousands of them and they are made four times as fast.
class LocalFile(NamedTuple):
    """A file on disk, with what stat said of it where it is a context's."""

    path: str
    stamp: Stamp | None = None


class Inline(NamedTuple):
    data: bytes


class InLayer(NamedTuple):
    """A file that is a member of a layer's tar."""

    layer: Layer
    member: str


Content = LocalFile | Inline | InLayer
Kind = Literal["file", "dir", "symlink"]


class Entry(NamedTuple):
    """One file, folder or link. `mode` is the permission bits; `target` where a link points; `size` in bytes."""

    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    target: str = ""
    size: int = 0
    content: Content | None = None


Tree = dict[str, Entry]
Changes = dict[str, Entry | None]


def normal(path: str, base: str = "/") -> str:
    """A path inside an image, made relative to its root; `..` never leaves it."""
    joined = posixpath.normpath(posixpath.join("/", base, path))
    return joined.lstrip("/")


OPAQUE = ".wh..wh..opq"


def apply_changes(tree: Tree, changes: Mapping[str, Entry | None]) -> None:
    """Lay one layer over a tree. None removes a path and all below it; under the name OPAQUE, all below its folder."""
    for path, entry in changes.items():
        if entry is None:
            folder, _, name = path.rpartition("/")
            _remove(tree, folder if name == OPAQUE else path, keep_itself=name == OPAQUE)
    for path, entry in changes.items():
        if entry is not None:
            old = tree.get(path)
            if old is not None and old.kind == "dir" and entry.kind != "dir":
                _remove(tree, path)
            tree[path] = entry


def _remove(tree: Tree, path: str, *, keep_itself: bool = False) -> None:
    for below in [name for name in tree if name.startswith(f"{path}/")]:
        del tree[below]
    if not keep_itself:
        tree.pop(path, None)


def resolve_path(tree: Mapping[str, Entry], path: str) -> str:
    """Follow every link in a path, inside the tree. A loop, or what does not exist, is left as it stands."""
    done, rest, hops = "", [part for part in path.split("/") if part], 0
    while rest:
        candidate = f"{done}/{rest[0]}".lstrip("/")
        entry = tree.get(candidate)
        rest = rest[1:]
        if entry is not None and entry.kind == "symlink" and hops < 40:
            hops += 1
            target = normal(entry.target, f"/{posixpath.dirname(candidate)}")
            done, rest = "", [part for part in target.split("/") if part] + rest
        else:
            done = candidate
    return done


def children(tree: Mapping[str, Entry], folder: str) -> Iterator[tuple[str, Entry]]:
    """Everything below a folder, with paths relative to it, in order."""
    prefix = f"{folder}/" if folder else ""
    for path in sorted([path for path in tree if path.startswith(prefix)]):
        if path:
            yield path[len(prefix) :], tree[path]


def missing_parents(tree: Mapping[str, Entry], path: str) -> list[str]:
    """The folders above a path that do not exist yet, outermost first."""
    parts = path.split("/")[:-1]
    folders = ["/".join(parts[: index + 1]) for index in range(len(parts))]
    return [folder for folder in folders if folder not in tree]
