"""What a test leaves behind: threads that still run, and sockets that are still open, when it is over."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

# What ends by itself may take so long.
PATIENCE_S = 30.0
# What is just ending needs no garbage collection.
_ENDS_SOON_S = 0.02


class Known:
    """Threads and sockets that are nobody's fault: those of before, and of servers that outlive the test."""

    def __init__(self) -> None:
        self.threads: set[threading.Thread] = set()
        self.sockets: set[str] = set()

    def add(self) -> None:
        """Take everything that is there now for known."""
        self.threads |= set(threading.enumerate())
        self.sockets |= open_sockets()

    def left(self) -> list[str]:
        """What is there besides, each with the place where it is."""
        threads = [thread for thread in threading.enumerate() if thread not in self.threads]
        sockets = sorted(open_sockets() - self.sockets)
        return [*map(_shown, threads), *(f"the socket {name}" for name in sockets)]


def open_sockets() -> set[str]:
    """The sockets of this process, by their inodes; empty where the system has no /proc."""
    found = set()
    folder = Path("/proc/self/fd")
    for name in folder.iterdir() if folder.is_dir() else ():
        try:
            target = os.readlink(name)
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def left_behind(known: Known, patience_s: float = PATIENCE_S) -> list[str]:
    """What is left once everything had the time to end."""
    return until_empty(known.left, patience_s)


def until_empty(left: Callable[[], list[str]], patience_s: float) -> list[str]:
    deadline_s, pause_s = time.monotonic() + patience_s, 0.005
    while found := left():
        if time.monotonic() > deadline_s:
            return found
        time.sleep(pause_s)
        # Connections that nobody refers to any more are closed with what held them. A collection takes long.
        if pause_s > _ENDS_SOON_S:
            gc.collect()
        pause_s = min(0.2, pause_s * 2)
    return []


def _shown(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    stack = "".join(traceback.format_stack(frame)[-3:]) if frame else ""
    return f"the thread {thread.name}\n{stack}"
