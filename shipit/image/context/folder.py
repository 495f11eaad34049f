"""Reads the folder of a build context into a tree, with file modes that are the same on every machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from shipit.errors import BuildError
from shipit.files import Unreadable, read_file
from shipit.image.context.ignore import IgnoreRules, parse_ignore
from shipit.image.context.stamps import make_stamp
from shipit.image.options import BuildOptions
from shipit.image.tree.entries import Entry, LocalFile, Tree
from shipit.image.tree.parents import add_parents
from shipit.image.withheld import Withheld

# Without the write bits of group and others, umask 002 and 022 give the same image.
MODE_MASK = 0o7755


def ignore_file(root: Path, dockerfile: Path) -> Path | None:
    """`DOCKERFILE.dockerignore`, else the context's `.dockerignore`, else None."""
    files = (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), root / ".dockerignore")
    # A file that exists and cannot be read is an error: without its rules, excluded files would get into the image.
    return next((file for file in files if file.exists()), None)


def read_ignore_file(file: Path) -> bytes:
    """The content of an ignore file. Raises: BuildError."""
    try:
        return read_file(file)
    except Unreadable as error:
        raise BuildError(error.what, where=str(file), hint=error.hint) from None


def read_ignore_rules(root: Path, dockerfile: Path) -> IgnoreRules:
    """The rules of the ignore file that applies; no rules when there is none. Raises: BuildError."""
    file = ignore_file(root, dockerfile)
    if file is None:
        return IgnoreRules()
    try:
        return parse_ignore(read_ignore_file(file))
    except ValueError as error:
        raise BuildError(str(error), where=str(file)) from None


def read_context(options: BuildOptions) -> Tree:
    """The tree of a build's context, with the file times that the options ask for. Raises: BuildError."""
    rules = read_ignore_rules(options.context, options.dockerfile)
    tree = scan_context(options.context, rules, options.left_out, options.withheld)
    if options.times == "commit":
        from shipit.image.context.commit_times import with_commit_times

        with_commit_times(tree, options.context, options.variables, is_trusted=not options.is_untrusted)
    return tree


def scan_context(root: Path, rules: IgnoreRules, left_out: Sequence[str], withheld: Withheld | None = None) -> Tree:
    """The tree of a folder without ignored paths, the paths in `left_out`, and withheld files.

    Sockets, pipes and devices are skipped, since images cannot contain them.
    Raises: BuildError when the folder is missing or cannot be read.
    """
    if not root.is_dir():
        raise BuildError(
            "the build context is not a folder", where=str(root), hint="check build: context: in deploy.yml"
        )
    tree: Tree = {}
    withheld = withheld or Withheld()
    top = str(root)
    pending = [("", top, rules.top)]
    while pending:
        prefix, folder, position = pending.pop()
        for item in _list_folder(folder):
            path = f"{prefix}{item.name}"
            if path in left_out:
                continue
            is_excluded, own = rules.decide(position, item.name)
            if (not is_excluded or rules.may_include_below(path)) and withheld.holds(path, item.name):
                continue
            if not is_excluded:
                try:
                    entry = _entry(item, top, path, withheld)
                except FileNotFoundError:
                    # Deleted since its folder was listed, such as a temporary file of an editor.
                    continue
                if entry is not None:
                    tree[path] = entry
            if item.is_dir(follow_symlinks=False) and (not is_excluded or rules.may_include_below(path)):
                pending.append((f"{path}/", item.path, rules.inside(own)))
    add_parents(tree)
    return tree


def _list_folder(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BuildError(
            f"can't be read: {error.strerror}", where=folder, hint="list it in .dockerignore, or allow reading it"
        ) from None


def _entry(item: os.DirEntry[str], top: str, path: str, withheld: Withheld) -> Entry | None:
    info = item.stat(follow_symlinks=False)
    kind, mode, size = stat.S_IFMT(info.st_mode), info.st_mode & MODE_MASK, info.st_size
    if kind == stat.S_IFREG:
        if withheld.holds_file(path, item.path, info):
            return None
        return Entry("file", mode, 0, 0, "", size, LocalFile(top, path, make_stamp(info)))
    if kind == stat.S_IFDIR:
        return Entry("dir", mode)
    if kind == stat.S_IFLNK:
        return Entry("symlink", 0o777, target=os.readlink(item.path))
    return None
