"""Clocks and deadlines. A clock is passed to whatever waits, so that tests control time and cancelling a run ends its waits. Imports errors only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from shipit.errors import DeadlinePassed, Interrupted

# How often a wait checks its deadline, in seconds.
SLICE_S = 0.2
# The pause between two looks of a wait at its event, and at the end of the run, in seconds.
_LOOK_S, _RUN_S = 0.05, 0.5


class Clock:
    """The real clock. `sleep`, `wait` and `check` raise Interrupted once `cancel` is set."""

    def __init__(self, cancel: threading.Event | None = None) -> None:
        self.cancel = cancel or threading.Event()

    def now(self) -> float:
        """Seconds of a monotonic clock."""
        return time.monotonic()

    def wall_s(self) -> float:
        """Seconds since the epoch, which may jump when somebody sets the clock."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        if self.cancel.wait(max(0.0, seconds)):
            raise Interrupted

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Sleep until an event is set, for at most that many seconds."""
        until_s = self.now() + seconds
        while not event.is_set() and (left_s := until_s - self.now()) > 0:
            self.sleep(min(left_s, _LOOK_S))

    def is_cancelled(self) -> bool:
        return self.cancel.is_set()

    def check(self) -> None:
        if self.is_cancelled():
            raise Interrupted


class RunClock(Clock):
    """The clock of one run: takes its time from another clock, and is cancelled with that clock or when the run ends."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock.cancel)
        self._clock = clock
        self._is_over = threading.Event()

    def end(self) -> None:
        """Cancel every wait on this clock."""
        self._is_over.set()

    def now(self) -> float:
        return self._clock.now()

    def wall_s(self) -> float:
        return self._clock.wall_s()

    def sleep(self, seconds: float) -> None:
        self.check()
        self._clock.sleep(seconds)
        self.check()

    def wait(self, event: threading.Event, seconds: float) -> None:
        until_s = self.now() + seconds
        while not event.is_set() and (left_s := until_s - self.now()) > 0:
            self.check()
            self._clock.wait(event, min(left_s, _RUN_S))
        self.check()

    def is_cancelled(self) -> bool:
        return self._is_over.is_set() or self._clock.is_cancelled()


class Deadline:
    """The point in time by which a call has to be done. Every wait, read and stream of the call checks it.

    `at_s` is in seconds of the clock; infinite for no limit. Safe to use from several threads.
    """

    __slots__ = ("at_s", "clock")

    def __init__(self, clock: Clock, at_s: float = float("inf")) -> None:
        self.clock = clock
        self.at_s = at_s

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Deadline:
        """A deadline that many seconds from now."""
        return cls(clock, clock.now() + seconds)

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and one that many seconds from now."""
        return Deadline(self.clock, min(self.at_s, self.clock.now() + seconds))

    def remaining_s(self) -> float:
        """Seconds until the deadline; 0 after it."""
        return max(0.0, self.at_s - self.clock.now())

    def check(self, waiting_for: str) -> None:
        """Raises: Interrupted when the run is cancelled; DeadlinePassed after the deadline, naming `waiting_for`."""
        self.clock.check()
        if self.clock.now() >= self.at_s:
            raise DeadlinePassed(f"the deadline passed while waiting for {waiting_for}")

    def sleep(self, seconds: float, waiting_for: str) -> None:
        """Sleep, at most until the deadline. Raises: as `check` does."""
        self.check(waiting_for)
        until = min(self.clock.now() + seconds, self.at_s)
        while (left := until - self.clock.now()) > 1e-6:
            self.clock.sleep(min(left, SLICE_S))

    def wait(self, is_over: Callable[[float], bool], waiting_for: str) -> None:
        """Call `is_over(seconds)`, which may block for that long, until it returns True. Raises: as `check` does."""
        while not is_over(min(SLICE_S, self.remaining_s())):
            self.check(waiting_for)
