"""Renews locks while a run goes on, a few of them at the same time: a place that does not answer delays no other."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

from shipit.targets.locks import BEAT_S

# So many places may not answer at once before the renewal of others is late.
_MOST_THREADS = 16


class Renewable(Protocol):
    def renew(self) -> None:
        """Renew the lock. Raises nothing."""
        ...


class Renewals:
    """Each lock is renewed BEAT_S after it was added, and after each renewal, until `stop`."""

    def __init__(self) -> None:
        # When each lock is to be renewed, the next one first: all wait for the same time.
        self._due: deque[tuple[float, Renewable]] = deque()
        self._added: set[int] = set()
        self._threads: list[threading.Thread] = []
        self._is_over = False
        self._changed = threading.Condition()

    def add(self, lock: Renewable) -> None:
        """Renew a lock from now on. One that was added before is known: targets may share one."""
        with self._changed:
            if id(lock) in self._added:
                return
            self._added.add(id(lock))
            self._due.append((time.monotonic() + BEAT_S, lock))
            if len(self._threads) < min(len(self._added), _MOST_THREADS):
                self._threads.append(threading.Thread(target=self._renew, daemon=True, name="lock"))
                self._threads[-1].start()

    def stop(self, within_s: float) -> None:
        """Begin no renewal any more, and wait for those that are under way."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        until_s = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _renew(self) -> None:
        while (lock := self._next()) is not None:
            lock.renew()
            with self._changed:
                self._due.append((time.monotonic() + BEAT_S, lock))
                self._changed.notify()

    def _next(self) -> Renewable | None:
        """Wait for the lock to renew next; None at the end."""
        with self._changed:
            while not self._is_over:
                left_s = self._due[0][0] - time.monotonic() if self._due else None
                if left_s is not None and left_s <= 0:
                    return self._due.popleft()[1]
                self._changed.wait(left_s)
        return None
