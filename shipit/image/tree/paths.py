"""Paths in a tree: relative, with `/`; the root is the empty path. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from shipit.image.tree.entries import MAX_PATH_BYTES, Entry


def normal_path(path: str, base: str = "/") -> str:
    """A path in an image, relative to its root; `..` never leaves the root."""
    joined = posixpath.normpath(posixpath.join("/", base, path))
    return joined.lstrip("/")


def folders_above(path: str) -> list[str]:
    """The folders above a path, outermost first, without the root."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: index + 1]) for index in range(len(parts))]


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
