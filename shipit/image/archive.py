"""Local tar archives, which ADD unpacks."""

from __future__ import annotations

import stat
import tarfile
from functools import partial
from pathlib import Path

from shipit.errors import BuildError
from shipit.image.layer import spool
from shipit.image.tar import CAPABILITY
from shipit.image.tree import Entry, Tree
from shipit.image.untar import clean_path

_PIECE = 1024 * 1024
_MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")


def is_archive(path: Path) -> bool:
    """Whether a file is a tar, plain or under gzip, bzip2 or xz. Its name plays no part, as in docker."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
        return (head.startswith(_MAGIC) or head[257:262] == b"ustar") and tarfile.is_tarfile(path)
    except OSError:
        return False


def archive_entries(path: Path, scratch: Path) -> Tree:
    """What an archive holds, in its order, its files written to `scratch`. It may lack folders above what it holds.

    Raises: BuildError when it breaks off.
    """
    tree: Tree = {}
    try:
        with tarfile.open(path) as archive, spool(scratch) as add:
            for member in archive:
                name = clean_path(member.name)
                mode = stat.S_IMODE(member.mode)
                if member.isdir():
                    if name:
                        tree[name] = Entry("dir", mode, member.uid, member.gid)
                elif member.issym():
                    tree[name] = Entry("symlink", 0o777, member.uid, member.gid, member.linkname)
                elif member.islnk() and (original := tree.get(clean_path(member.linkname))):
                    tree[name] = original
                elif not member.isreg() and not member.islnk():
                    tree[name] = Entry("special", mode, member.uid, member.gid)
                elif (source := archive.extractfile(member)) is not None:
                    capability = member.pax_headers.get(CAPABILITY, "")
                    tree[name] = Entry(
                        "file",
                        mode,
                        member.uid,
                        member.gid,
                        "",
                        member.size,
                        add(iter(partial(source.read, _PIECE), b"")),
                        capability,
                    )
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise BuildError(f"is no archive that can be read: {error}", where=str(path)) from None
    return tree
