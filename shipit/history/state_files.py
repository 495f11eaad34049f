"""The state in a folder that several machines mount. Its files are compared and swapped under a lock of the file system.

Source: flock(2), which NFS has since Linux 2.6.12.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipit.files import Missing, Unreadable, read_file, write_file
from shipit.history.state_store import CLOCK, MOST_BYTES, Kept, StateError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_HINT = "make the folder of `state:` in deploy.yml readable and writable"


class StateFiles:
    """A folder; it is created with its first object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
            with _locked(path):
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
            path.touch()
            return path.stat().st_mtime
        except OSError as error:
            raise _unusable(path, error) from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The lock of a file: one beside it, since the file itself is replaced. Raises: OSError where the file system has none."""
    handle = os.open(path.with_name(f"{path.name}.lock"), _FLAGS, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _unusable(path: Path, error: Unreadable | OSError) -> StateError:
    reason = error.reason if isinstance(error, Unreadable) else error.strerror or str(error)
    return StateError(f"the state can't be read or written: {reason}", where=str(path), hint=_HINT)
