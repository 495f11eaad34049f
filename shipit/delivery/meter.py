"""Progress in bytes, added up from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

# (bytes that are done, bytes in all)
Progress = Callable[[int, int], object]


class Meter:
    """Adds up bytes and tells the sum at most once per percent."""

    def __init__(self, total: int, tell: Progress) -> None:
        self._total, self._tell = total, tell
        self._done = self._told = 0
        self._lock = threading.Lock()

    def add(self, amount: int) -> None:
        with self._lock:
            self._done += amount
            due = abs(self._done - self._told) * 100 >= self._total or self._done == self._total
            if due:
                self._told = self._done
            done = self._done
        if due:
            self._tell(done, self._total)
