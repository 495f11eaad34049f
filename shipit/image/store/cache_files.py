"""Files of the cache in the making: private folders, temporary files, and what the disk says named as the cache's.

Files appear whole or not at all: they are written beside and renamed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from shipit.errors import BuildError

# Leftovers of runs that were killed; no run is silent for so long.
_STALE_S = 6 * 3600
_FOLDERS = ("blobs", "blobs/sha256", "blobs/sha512", "memo", "tmp")
# Tells programs that make backups, and us, that a folder is a cache. Source: bford.info/cachedir.
_TAG, _TAG_TEXT = (
    "CACHEDIR.TAG",
    "Signature: 8a477f597d28d172789f06886806bc55\n# The cache of shipit. It may be deleted.\n",
)
_OURS = {"blobs", "memo", "tmp", "lock", "grown", _TAG}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def cache_errors(place: Path) -> Iterator[None]:
    """What the operating system refuses inside is an error that names the cache."""
    try:
        yield
    except OSError as error:
        raise cache_error(place, error) from None


def cache_error(place: Path, error: OSError) -> BuildError:
    said = (error.strerror or str(error)).lower()
    if error.errno in _FULL:
        hint = "make room there, or set SHIPIT_CACHE_DIR to a folder on another disk"
        return BuildError(f"the cache is full: {said}", where=str(place), hint=hint)
    hint = "set SHIPIT_CACHE_DIR to a folder that can be written"
    return BuildError(f"the cache can't be written: {said}", where=str(place), hint=hint)


def open_cache(root: Path) -> None:
    """Make the folders of a cache that are missing, for its owner only, and remove what killed runs left. Raises: OSError.

    A folder that holds other things than a cache keeps its mode, and nothing in it is removed.
    """
    is_ours = _is_cache(root)
    for folder in (root, *(root / name for name in _FOLDERS)):
        make_private(folder, mend=is_ours)
    if is_ours:
        tag = root / _TAG
        if not tag.exists():
            tag.write_text(_TAG_TEXT)
        remove_leftovers(root / "tmp")


def _is_cache(root: Path) -> bool:
    """Whether a folder is missing or empty, or a cache that we made."""
    try:
        if (root / _TAG).is_file():
            return True
        return {entry.name for entry in os.scandir(root)} <= _OURS
    except FileNotFoundError:
        return True


def make_private(folder: Path, *, mend: bool = True) -> None:
    """A folder that only its owner enters, whatever the umask; with `mend` one that is there, too. Raises: OSError."""
    try:
        folder.mkdir(mode=0o700, parents=True)
        mend = True
    except FileExistsError:
        if not folder.is_dir():
            raise
    info = folder.stat()
    if mend and info.st_mode & 0o777 != 0o700 and info.st_uid == os.geteuid():
        folder.chmod(0o700)


@contextmanager
def temporary_file(folder: Path, *, keeps: bool = False) -> Iterator[tuple[IO[bytes], Path]]:
    """A file open for writing and reading; gone at the end unless it was moved, or `keeps` is set. Raises: BuildError."""
    with cache_errors(folder):
        handle, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    file = os.fdopen(handle, "w+b")
    try:
        yield file, path
    finally:
        # What could not be written can't be flushed, either.
        with contextlib.suppress(OSError):
            file.close()
        if not keeps:
            path.unlink(missing_ok=True)


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """A folder for what is unpacked; gone at the end. Raises: BuildError."""
    with cache_errors(folder):
        path = Path(tempfile.mkdtemp(dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def open_regular(path: Path, mode: Literal["rb", "ab"] = "rb", buffering: int = -1) -> IO[bytes]:
    """A regular file. Raises: OSError for all else: no pipe or device is waited for, no link is followed."""
    return open(path, mode, buffering, opener=_opened)


def _opened(path: str, flags: int) -> int:
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY, 0o600)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "no regular file", path)


def remove(path: Path) -> None:
    """Remove whatever stands under a name of the cache, if that can be."""
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left in a folder of temporary files."""
    oldest = time.time() - _STALE_S
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime > oldest:
                    continue
                remove(Path(entry.path))


def touch_used(target: int | Path, info: os.stat_result) -> None:
    """Write down that a file is used, at most once a day; when it was changed stays as it is."""
    now_ns = time.time_ns()
    if now_ns - info.st_atime_ns > 86_400_000_000_000:
        with contextlib.suppress(OSError):
            os.utime(target, ns=(now_ns, info.st_mtime_ns))
