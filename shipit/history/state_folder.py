"""The folder `.shipit` beside deploy.yml: opened without following links, since a checkout may put one there.

Source: openat(2), O_NOFOLLOW; flock(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from shipit.errors import ShipitError, UsageError

NAME, RUNS = ".shipit", "runs"
_LOCK_TRIES = 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
OLD = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY


class RunFile(NamedTuple):
    """A file of `.shipit/runs`."""

    name: str
    size_bytes: int


class RunsFolder:
    """The open folder `.shipit/runs` of a project. Use it within `opened_runs` or `made_runs`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def files(self) -> list[RunFile]:
        """The regular files of runs, the newest first: their names begin with the time."""
        found = []
        with os.scandir(self._descriptor) as entries:
            for entry in entries:
                with suppress(OSError):
                    info = entry.stat(follow_symlinks=False)
                    if entry.name.endswith(".jsonl") and stat.S_ISREG(info.st_mode):
                        found.append(RunFile(entry.name, info.st_size))
        return sorted(found, reverse=True)

    def create(self, name: str) -> int:
        """A descriptor of a new file that only its owner may read, locked until it is closed. Raises: OSError."""
        handle = os.open(name, _NEW, 0o600, dir_fd=self._descriptor)
        try:
            _lock(handle)
            os.fsync(self._descriptor)
        except BaseException:
            os.close(handle)
            raise
        return handle

    def open(self, name: str) -> int:
        """A descriptor of a file, to read. Raises: OSError."""
        return opened_file(self._descriptor, name)

    def is_locked(self, name: str) -> bool:
        """True while a process of this machine writes the file; False also where the file system has no locks."""
        try:
            handle = self.open(name)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(handle)
        return False

    def remove(self, name: str) -> None:
        """Remove a file, if it is there and may be removed."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._descriptor)


@contextmanager
def opened_runs(root: Path) -> Iterator[RunsFolder | None]:
    """The runs of the project in a folder; None where nothing was written yet. Raises: ShipitError."""
    descriptor = -1
    try:
        descriptor = opened_folder(root, RUNS, makes=False)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ShipitError(f"can't be read: {_reason(error)}", where=f"{root / NAME}") from None
    try:
        yield RunsFolder(descriptor) if descriptor >= 0 else None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def made_runs(root: Path) -> Iterator[RunsFolder]:
    """The same, made if it is not there. Raises: UsageError where the folder can't be written."""
    try:
        descriptor = opened_folder(root, RUNS, makes=True)
    except OSError as error:
        raise cannot_write(root, error) from None
    try:
        yield RunsFolder(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(root: Path, error: OSError) -> UsageError:
    """The error for a journal that can't be written."""
    hint = "make the folder writable, or write `state: none` in deploy.yml to keep no journal"
    return UsageError(f"the journal can't be written: {_reason(error)}", where=f"{root / NAME}", hint=hint)


def _reason(error: OSError) -> str:
    # The same mistake has another number on macOS.
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return "it is no folder, or a symbolic link"
    return error.strerror or str(error)


def opened_folder(root: Path, name: str, *, makes: bool) -> int:
    """A descriptor of a folder in `.shipit`. Raises: OSError."""
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        own = _folder(top, NAME, makes=makes)
    finally:
        os.close(top)
    try:
        if makes:
            _ignore(own)
        return _folder(own, name, makes=makes)
    finally:
        os.close(own)


def opened_file(folder: int, name: str, flags: int = OLD) -> int:
    """A descriptor of a regular file in an open folder; a new one can only be read by its owner. Raises: OSError."""
    handle = os.open(name, flags, 0o600, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("it is no regular file")
    return handle


def _folder(above: int, name: str, *, makes: bool) -> int:
    if makes:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
    return os.open(name, _FOLDER, dir_fd=above)


def _lock(handle: int) -> None:
    """Lock a file that others may look at for a moment; leave it where the file system has no locks."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:
            return
        else:
            return


def _ignore(folder: int) -> None:
    """Make git ignore the folder, by a file in itself."""
    with suppress(FileExistsError):
        handle = os.open(".gitignore", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            os.write(handle, b"*\n")
        finally:
            os.close(handle)
