"""COPY and ADD as a function of two trees: what is read, and what is written over. Pure but for archives.

Source: Dockerfile reference, "COPY" and "ADD"; where it is silent, what BuildKit does.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shipit.image.glob import matching, split_glob
from shipit.image.tree import WHITEOUT, Entry, Overlay, children, folders_above, normal, resolve_path


class CopyError(ValueError):
    """A source or destination that can't be copied, and what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class SpecialFile(CopyError):
    """A device or a pipe, which only an engine copies."""


class Owner(NamedTuple):
    uid: int
    gid: int


def copy_entries(
    source: Mapping[str, Entry],
    patterns: Sequence[str],
    destination: str,
    target: Mapping[str, Entry],
    *,
    workdir: str = "/",
    owner: Owner | None = None,
    chmod: int | None = None,
    written: Mapping[str, Entry] | None = None,
) -> dict[str, Entry]:
    """The entries that a COPY writes, parents that it creates included; `written` are those it wrote before.

    `owner` None keeps what the source says (0:0 for a context). A folder's content is copied, not the folder.
    Raises: CopyError.
    """
    out: dict[str, Entry] = dict(written or {})
    target = Overlay(out, target)
    matches = [match for pattern in patterns for match in match_sources(source, pattern)]
    into_folder = destination.endswith(("/", "/.")) or destination in (".", "..") or not destination
    base = resolve_path(target, normal(destination, workdir))
    for match in matches:
        found = resolve_path(source, match)
        entry = source.get(found) if found else Entry("dir", 0o755)
        if entry is None:
            raise CopyError(f"{match!r} is a link to something that is not there")
        if entry.kind == "dir":
            # Nothing is in the way below a folder that is new: its many files need not be looked up.
            new = f"{base}/" if base and base not in target else "\0"
            out.update(new_folders(target, f"{base}/x" if base else "x", owner or Owner(0, 0)))
            for path, child in children(source, found):
                place = f"{base}/{path}" if base else path
                existing = None if place.startswith(new) else target.get(place)
                if existing is None and child.kind == "dir":
                    new = new if place.startswith(new) else f"{place}/"
                _put(place, child, existing, out, owner, chmod)
            continue
        inside = into_folder or _is_folder(target, base)
        if not inside and base in out:
            raise CopyError("several files are copied, so the destination should end with /", f"write {destination}/")
        path = f"{base}/{posixpath.basename(match)}".lstrip("/") if inside else base
        out.update(new_folders(target, path, owner or Owner(0, 0)))
        _put(path, entry, target.get(path), out, owner, chmod)
    return out


def unpack_entries(
    archive: Mapping[str, Entry],
    destination: str,
    target: Mapping[str, Entry],
    *,
    workdir: str = "/",
    owner: Owner | None = None,
    written: Mapping[str, Entry] | None = None,
) -> dict[str, Entry]:
    """The entries that an ADD of an archive writes. Owners and modes are the archive's, `owner` that of its destination.

    As tar does it, what is in the way is replaced, and links above what the archive holds are followed.
    Raises: CopyError.
    """
    out: dict[str, Entry] = dict(written or {})
    tree = Overlay(out, target)
    base = resolve_path(tree, normal(destination, workdir))
    out.update(new_folders(tree, f"{base}/" if base else "", owner or Owner(0, 0)))
    for path, entry in archive.items():
        folder, _, name = path.rpartition("/")
        place = resolve_path(tree, f"{base}/{folder}")
        out.update(new_folders(tree, f"{place}/" if place else "", Owner(0, 0)))
        _check_kept(path, entry)
        out[f"{place}/{name}".lstrip("/")] = entry
    return out


def match_sources(source: Mapping[str, Entry], pattern: str) -> list[str]:
    """The paths that one source of COPY names, in order; the root is the empty path. A pattern may match nothing.

    Raises: CopyError when a path is not there.
    """
    folder, glob = split_glob(normal(pattern))
    found = resolve_path(source, folder)
    if found and found not in source:
        raise CopyError(f"{pattern!r} is not there", "check the path, and .dockerignore")
    if not glob:
        return [folder]
    prefix = f"{found}/" if found else ""
    below = (path[len(prefix) :] for path in source if path.startswith(prefix) and path)
    try:
        return [prefix + path for path in matching(below, glob)]
    except ValueError as error:
        raise CopyError(str(error)) from None


def _is_folder(tree: Mapping[str, Entry], path: str) -> bool:
    return path == "" or (path in tree and tree[path].kind == "dir")


def new_folders(tree: Mapping[str, Entry], path: str, owner: Owner) -> dict[str, Entry]:
    """The folders above a path that do not exist yet, outermost first, as mkdir makes them: set-group-id is inherited.

    Raises: CopyError where one of them is a file, or a link that leads back to itself.
    """
    folders: dict[str, Entry] = {}
    inherited = 0
    for folder in folders_above(path):
        existing = tree.get(folder)
        if existing is None:
            folders[folder] = Entry("dir", 0o755 | inherited, owner.uid, owner.gid)
        elif existing.kind == "dir":
            inherited = existing.mode & stat.S_ISGID
        else:
            kind = "link that leads nowhere" if existing.kind == "symlink" else "file"
            raise CopyError(f"/{folder} is a {kind} in the image, so nothing can be in it")
    return folders


def _put(
    path: str,
    entry: Entry,
    existing: Entry | None,
    out: dict[str, Entry],
    owner: Owner | None,
    chmod: int | None,
) -> None:
    if existing is not None and (existing.kind == "dir") != (entry.kind == "dir"):
        was, now = ("a folder", "a file") if existing.kind == "dir" else ("no folder", "a folder")
        raise CopyError(f"/{path} is {was} already, and {now} would replace it")
    _check_kept(path, entry)
    if chmod is not None and entry.kind != "symlink":
        entry = entry._replace(mode=chmod)
    if owner is not None and (entry.uid != owner.uid or entry.gid != owner.gid):
        entry = entry._replace(uid=owner.uid, gid=owner.gid)
    out[path] = entry


def _check_kept(path: str, entry: Entry) -> None:
    """That a layer can hold an entry."""
    if entry.kind == "special":
        raise SpecialFile(f"{path} is a device or a pipe, which is not copied natively")
    if WHITEOUT in path and path.rpartition("/")[2].startswith(WHITEOUT):
        raise CopyError(f"{path} has a name by which layers remove files", "list it in .dockerignore")
