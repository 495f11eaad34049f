"""The state in a folder that several machines mount. Its files are compared and swapped under a lock of the file system.

Source: flock(2), which NFS has since Linux 2.6.12.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipit.files import Missing, Unreadable, read_file, write_file
from shipit.history.state_store import CLOCK, MOST_BYTES, Kept, StateError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_HINT = "make the folder of `state:` in deploy.yml readable and writable"
# Seconds that another process may hold the lock of a file: each takes it for one write.
_LOCKED_S, _POLL_S = 10.0, 0.02


class StateFiles:
    """A folder; it is created with its first object."""

    keeps_locks = True

    def __init__(self, folder: Path, locked_s: float = _LOCKED_S) -> None:
        self._folder, self._locked_s = folder, locked_s
        self.title = f"the folder {folder}"

    def read(self, name: str) -> Kept | None:
        path = self._folder / name
        try:
            data = read_file(path, max_bytes=MOST_BYTES)
            return Kept(data, _version(data), path.stat().st_mtime)
        except Missing:
            return None
        except (Unreadable, OSError) as error:
            raise _unusable(path, error) from None

    def swap(self, name: str, data: bytes, version: str) -> str | None:
        path = self._folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path, self._locked_s):
                found = self.read(name)
                if (found.version if found else "") != version:
                    return None
                write_file(path, data)
        except OSError as error:
            raise _unusable(path, error) from None
        return _version(data)

    def now_s(self) -> float:
        path = self._folder / CLOCK
        try:
            handle = os.open(path, _FLAGS, 0o666)
            try:
                os.utime(handle)
                return os.fstat(handle).st_mtime
            finally:
                os.close(handle)
        except OSError as error:
            raise _unusable(path, error) from None


@contextmanager
def _locked(path: Path, within_s: float) -> Iterator[None]:
    """The lock of a file: one beside it, since the file itself is replaced.

    Raises: StateError where another process holds it for too long; OSError where the file system has no locks.
    """
    beside = path.with_name(f"{path.name}.lock")
    handle = os.open(beside, _FLAGS, 0o666)
    try:
        _lock(handle, beside, time.monotonic() + within_s)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: Path, until_s: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                what = "the state can't be written: another process holds the lock of its file"
                hint = "find the process that holds it, such as with lsof or lslocks, and end it"
                raise StateError(what, where=str(path), hint=hint) from None
        time.sleep(_POLL_S)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _unusable(path: Path, error: Unreadable | OSError) -> StateError:
    reason = error.reason if isinstance(error, Unreadable) else error.strerror or str(error)
    return StateError(f"the state can't be read or written: {reason}", where=str(path), hint=_HINT)
