"""COPY and ADD as functions of a source tree and a target tree.

Source: Dockerfile reference, "COPY" and "ADD"; BuildKit where it is silent.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shipit.image.native.chmod import Mode
from shipit.image.patterns.copy_pattern import matching_paths, split_glob
from shipit.image.tree.entries import WHITEOUT, Entry
from shipit.image.tree.overlay import Overlay
from shipit.image.tree.paths import folders_above, normal_path, resolve_path
from shipit.image.tree.walk import Children, children

# PATH_MAX, less the terminating NUL.
_LONGEST_PATH = 4095


class CopyError(ValueError):
    """A source or destination that cannot be copied, with a hint."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class MissingPath(CopyError):
    """A source that does not exist, as written."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} does not exist")
        self.path = path


class SpecialFile(CopyError):
    """A device or a pipe, which only an engine copies."""


class Owner(NamedTuple):
    uid: int
    gid: int


class Target(NamedTuple):
    """Where a COPY writes, and the owners and modes that it sets.

    `owner` and `mode` are None without --chown and --chmod. Then root owns what is written, unless `keeps_owner`.
    """

    destination: str
    tree: Mapping[str, Entry]
    workdir: str = "/"
    owner: Owner | None = None
    mode: Mode | None = None
    keeps_owner: bool = False

    @property
    def root(self) -> str:
        """The destination's path, before links in it are resolved. Raises: CopyError."""
        path = normal_path(self.destination, self.workdir)
        if len(path) > _LONGEST_PATH:
            raise CopyError(f"a path should have at most {_LONGEST_PATH:,} characters, found {len(path):,}")
        return path

    @property
    def is_folder(self) -> bool:
        """Whether the destination is written as a folder."""
        return self.destination.endswith(("/", "/.")) or self.destination in ("", ".", "..")

    @property
    def folder_owner(self) -> Owner:
        return self.owner or Owner(0, 0)

    @property
    def folder_mode(self) -> int:
        return self.mode.new_folder_mode if self.mode else 0o755

    def put(self, path: str, entry: Entry, existing: Entry | None, out: dict[str, Entry]) -> None:
        """Write one entry over `existing`. Raises: CopyError."""
        if existing is not None and (existing.kind == "dir") != (entry.kind == "dir"):
            was, now = ("a folder", "a file") if existing.kind == "dir" else ("no folder", "a folder")
            raise CopyError(f"/{path} is {was}, and cannot be replaced by {now}")
        _check_storable(path, entry)
        if self.mode is not None and entry.kind != "symlink":
            entry = entry._replace(mode=self.mode.applied(entry.mode, is_folder=entry.kind == "dir"))
        owner = self.owner or (None if self.keeps_owner else Owner(0, 0))
        if owner is not None and (entry.uid != owner.uid or entry.gid != owner.gid):
            entry = entry._replace(uid=owner.uid, gid=owner.gid)
        out[path] = entry


def copy_entries(source: Mapping[str, Entry], paths: Sequence[str], target: Target, out: dict[str, Entry]) -> None:
    """Add the entries that a COPY of some paths writes, including new parent folders, to `out`.

    Of a folder, its content is copied.
    Raises: CopyError.
    """
    tree = Overlay(out, target.tree)
    base = resolve_path(tree, target.root)
    below = Children(source)
    for path in paths:
        found = resolve_path(source, path)
        entry = source.get(found) if found else Entry("dir", 0o755)
        if entry is None:
            raise CopyError(f"{path!r} is a link to a path that does not exist")
        if entry.kind == "dir":
            _copy_folder(below.of(found), base, target, tree, out)
            continue
        inside = target.is_folder or _is_folder(tree, base)
        place = f"{base}/{posixpath.basename(path)}".lstrip("/") if inside else base
        out.update(new_folders(tree, place, target.folder_owner, target.folder_mode))
        target.put(place, entry, tree.get(place), out)


def _copy_folder(
    entries: Iterable[tuple[str, Entry]],
    base: str,
    target: Target,
    tree: Mapping[str, Entry],
    out: dict[str, Entry],
) -> None:
    # Nothing exists below a new folder, so lookups for its many files are skipped.
    new = f"{base}/" if base and base not in tree else "\0"
    out.update(new_folders(tree, f"{base}/x" if base else "x", target.folder_owner, target.folder_mode))
    for path, child in entries:
        place = f"{base}/{path}" if base else path
        existing = None if place.startswith(new) else tree.get(place)
        if existing is None and child.kind == "dir":
            new = new if place.startswith(new) else f"{place}/"
        target.put(place, child, existing, out)


def unpack_entries(archive: Mapping[str, Entry], target: Target, out: dict[str, Entry]) -> None:
    """Add the entries that ADD writes for an archive. Its owners and modes are kept unless --chown and --chmod are set.

    As tar does, existing entries are replaced, and links in parent folders are followed.
    Raises: CopyError.
    """
    tree = Overlay(out, target.tree)
    base = resolve_path(tree, target.root)
    out.update(new_folders(tree, f"{base}/" if base else "", target.folder_owner))
    for path, entry in archive.items():
        folder, _, name = path.rpartition("/")
        place = resolve_path(tree, f"{base}/{folder}")
        out.update(new_folders(tree, f"{place}/" if place else "", Owner(0, 0)))
        _check_storable(path, entry)
        if target.owner is not None:
            entry = entry._replace(uid=target.owner.uid, gid=target.owner.gid)
        out[f"{place}/{name}".lstrip("/")] = entry


def match_sources(source: Mapping[str, Entry], pattern: str) -> list[str]:
    """The paths that one source of COPY names, in order; the root is the empty path. A pattern may match nothing.

    Raises: CopyError when a path does not exist.
    """
    folder, glob = split_glob(normal_path(pattern))
    found = resolve_path(source, folder)
    if found and found not in source:
        raise MissingPath(pattern)
    if not glob:
        return [folder]
    prefix = f"{found}/" if found else ""
    try:
        return [prefix + path for path in matching_paths((path for path, _ in children(source, found)), glob)]
    except ValueError as error:
        raise CopyError(str(error)) from None


def _is_folder(tree: Mapping[str, Entry], path: str) -> bool:
    return path == "" or (path in tree and tree[path].kind == "dir")


def new_folders(tree: Mapping[str, Entry], path: str, owner: Owner, mode: int = 0o755) -> dict[str, Entry]:
    """The missing folders above a path, outermost first. As with mkdir, they inherit set-group-id.

    Raises: CopyError when one of them is a file, or a link in a loop.
    """
    folders: dict[str, Entry] = {}
    inherited = 0
    for folder in folders_above(path):
        existing = tree.get(folder)
        if existing is None:
            folders[folder] = Entry("dir", mode | inherited, owner.uid, owner.gid)
        elif existing.kind == "dir":
            inherited = existing.mode & stat.S_ISGID
        else:
            kind = "link to a missing path" if existing.kind == "symlink" else "file"
            raise CopyError(f"/{folder} is a {kind} in the image, so it cannot contain files")
    return folders


def _check_storable(path: str, entry: Entry) -> None:
    """Check that a layer can contain an entry. Raises: CopyError."""
    if entry.kind == "special":
        raise SpecialFile(f"{path} is a device or a pipe, which is not copied natively")
    if WHITEOUT in path and path.rpartition("/")[2].startswith(WHITEOUT):
        raise CopyError(f"{path} has the prefix .wh., which marks removed files in layers", "list it in .dockerignore")
