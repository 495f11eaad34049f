"""Locks of this machine, in `.shipit/locks`: for places that keep none. A lock ends with the process that has it.

Source: flock(2).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from shipit.history.state_folder import cannot_write, opened_file, opened_folder

LOCKS = "locks"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_MOST_BYTES = 4096


class TakenFile(NamedTuple):
    """The result of taking a lock: a descriptor that holds it, or -1 and the text of the one who has it."""

    handle: int
    holder: str = ""


def take_file(root: Path, name: str, holder: str) -> TakenFile:
    """Take the lock of a name for this process. `root` is the folder of deploy.yml, `holder` a text for others.

    Raises: UsageError where the folder can't be written.
    """
    try:
        folder = opened_folder(root, LOCKS, makes=True)
        try:
            handle = opened_file(folder, name, _FLAGS)
        finally:
            os.close(folder)
    except OSError as error:
        raise cannot_write(root, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(handle, _MOST_BYTES, 0).decode("utf-8", "replace")
        os.close(handle)
        return TakenFile(-1, text)
    except OSError:
        # This file system has no locks.
        return TakenFile(handle)
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, holder.encode("utf-8", "replace")[:_MOST_BYTES], 0)
    return TakenFile(handle)


def read_file_lock(root: Path, name: str) -> str | None:
    """The text of the process that has a lock; None where nobody has it, empty where the process has not written it."""
    try:
        folder = opened_folder(root, LOCKS, makes=False)
        try:
            handle = opened_file(folder, name)
        finally:
            os.close(folder)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(handle, _MOST_BYTES, 0).decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(handle)
    return None


def free_file(handle: int) -> None:
    """Give a lock back."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
    os.close(handle)
