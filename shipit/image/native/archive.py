"""Local tar archives that ADD unpacks, read within limits."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import IO, cast

from shipit.errors import BuildError, NeedsEngine
from shipit.image.layers.layer import LimitedReader, TooLarge, spool
from shipit.image.store.content_store import Limits
from shipit.image.tar.header import BadTar, SparseFile
from shipit.image.tar.read import Member, TarReader
from shipit.image.tree.entries import Entry, Tree

_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BROKEN = (BadTar, OSError, EOFError, zlib.error, lzma.LZMAError)


def is_archive(path: Path) -> bool:
    """Whether a file is a tar with a member: plain, gzip, bzip2 or xz. As in docker, its name does not matter.

    Raises: NeedsEngine for zstd.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
        if head.startswith(_ZSTD):
            raise NeedsEngine("zstd archives are not unpacked natively", where=str(path))
        if not (head.startswith((_GZIP, _BZIP2, _XZ)) or head[257:262] == b"ustar"):
            return False
        with _open_tar(path) as tar:
            return next(iter(TarReader(tar)), None) is not None
    except SparseFile:
        return True
    except _BROKEN:
        return False


def _open_tar(path: Path) -> IO[bytes]:
    """The uncompressed tar of a file, at its start."""
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(_GZIP):
        return cast("IO[bytes]", gzip.open(path))
    if head.startswith(_BZIP2):
        return cast("IO[bytes]", bz2.open(path))
    return cast("IO[bytes]", lzma.open(path)) if head.startswith(_XZ) else path.open("rb")


def archive_entries(path: Path, scratch: Path) -> Tree:
    """The entries of an archive, in its order, with their content in `scratch`. Parent folders may be missing.

    Raises: BuildError when it is truncated or unpacks to far more than its size; NeedsEngine.
    """
    tree: Tree = {}
    hint = ""
    try:
        most = Limits().unpacked(path.stat().st_size)
        with _open_tar(path) as file, spool(scratch) as add:
            reader = TarReader(LimitedReader(file, most, None))
            for member in reader:
                if member.size > most:
                    raise TooLarge(f"it unpacks to more than {most} bytes")
                if member.kind == "file":
                    tree[member.name] = _entry(member)._replace(content=add(reader.content()))
                elif member.kind == "hardlink":
                    tree[member.name] = tree[member.target]
                elif member.name:
                    tree[member.name] = _entry(member)
    except SparseFile:
        raise NeedsEngine("sparse files of an archive are not read natively", where=str(path)) from None
    except KeyError as link:
        raise BuildError(f"has a hard link to {link} before that file", where=str(path)) from None
    except _BROKEN as error:
        if isinstance(error, TooLarge):
            hint = "unpack it, and COPY its content"
        raise BuildError(f"can't be read as an archive: {error}", where=str(path), hint=hint) from None
    return tree


def _entry(member: Member) -> Entry:
    mode = 0o777 if member.kind == "symlink" else member.mode
    return Entry(member.kind, mode, member.uid, member.gid, member.target, member.size, None, member.capability)
