"""Files of the cache: private folders, temporary files, and errors of the disk that name the cache.

Files appear complete or not at all: they are written to a temporary file and renamed.
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

# Temporary files of killed runs; every run writes more often than that.
_STALE_S = 6 * 3600
_FOLDERS = ("blobs", "blobs/sha256", "blobs/sha512", "memo", "tmp")
# Marks the folder as a cache for backup programs, and for us. Source: bford.info/cachedir.
_TAG, _TAG_TEXT = (
    "CACHEDIR.TAG",
    "Signature: 8a477f597d28d172789f06886806bc55\n# The cache of shipit. It may be deleted.\n",
)
_OURS = {"blobs", "memo", "tmp", "lock", "grown", "shortcuts", _TAG}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def cache_errors(place: Path) -> Iterator[None]:
    """Turns errors of the operating system into errors that name the cache."""
    try:
        yield
    except OSError as error:
        raise cache_error(place, error) from None


def cache_error(place: Path, error: OSError) -> BuildError:
    reason = (error.strerror or str(error)).lower()
    if error.errno in _FULL:
        hint = "free space there, or set SHIPIT_CACHE_DIR to a folder on another disk"
        return BuildError(f"the cache is full: {reason}", where=str(place), hint=hint)
    hint = "set SHIPIT_CACHE_DIR to a folder that can be written"
    return BuildError(f"the cache can't be written: {reason}", where=str(place), hint=hint)


def open_cache(root: Path) -> None:
    """Create missing folders of a cache, private to the user, and remove temporary files of killed runs.

    A folder with other content than a cache keeps its mode, and nothing in it is removed. Raises: OSError.
    """
    is_ours = _is_cache(root)
    for folder in (root, *(root / name for name in _FOLDERS)):
        make_private(folder, mend=is_ours)
    if is_ours:
        tag = root / _TAG
        if not tag.exists():
            tag.write_text(_TAG_TEXT)
        remove_leftovers(root / "tmp")


def has_tag(root: Path) -> bool:
    """Whether shipit created a cache in a folder."""
    return (root / _TAG).is_file() and all((root / name).is_dir() for name in ("blobs", "memo"))


def _is_cache(root: Path) -> bool:
    """Whether a folder is missing, empty, or a cache that shipit created."""
    try:
        if (root / _TAG).is_file():
            return True
        return {entry.name for entry in os.scandir(root)} <= _OURS
    except FileNotFoundError:
        return True


def make_private(folder: Path, *, mend: bool = True) -> None:
    """Create a folder with mode 0700, whatever the umask; `mend` also corrects an existing one. Raises: OSError."""
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
    """A temporary file, open for reading and writing; removed at the end unless moved or `keeps`. Raises: BuildError."""
    with cache_errors(folder):
        handle, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    file = os.fdopen(handle, "w+b")
    try:
        yield file, path
    finally:
        # Closing flushes, which fails again after a failed write.
        with contextlib.suppress(OSError):
            file.close()
        if not keeps:
            path.unlink(missing_ok=True)


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder for unpacked files; removed at the end. Raises: BuildError."""
    with cache_errors(folder):
        path = Path(tempfile.mkdtemp(dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def open_regular(path: Path, mode: Literal["rb", "ab"] = "rb", buffering: int = -1) -> IO[bytes]:
    """Open a regular file without following links or waiting for pipes. Raises: OSError for everything else."""
    return open(path, mode, buffering, opener=_opened)


def _opened(path: str, flags: int) -> int:
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY, 0o600)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "no regular file", path)


def remove(path: Path) -> None:
    """Remove a file or folder of the cache, ignoring errors."""
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
    """Set a file's access time to now, at most once a day; its modification time stays."""
    now_ns = time.time_ns()
    if now_ns - info.st_atime_ns > 86_400_000_000_000:
        with contextlib.suppress(OSError):
            os.utime(target, ns=(now_ns, info.st_mtime_ns))
