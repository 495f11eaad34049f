"""Time as a value that is handed on, so that tests own it and a cancelled run wakes up. Imports errors only."""

from __future__ import annotations

import threading
import time

from shipit.errors import DeadlinePassed, Interrupted


class Clock:
    """The real clock. `sleep` and `check` raise Interrupted once `cancel` is set."""

    def __init__(self, cancel: threading.Event | None = None) -> None:
        self.cancel = cancel or threading.Event()

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if self.cancel.wait(max(0.0, seconds)):
            raise Interrupted

    def check(self) -> None:
        if self.cancel.is_set():
            raise Interrupted


class Deadline:
    """A moment on a clock that nothing may outlast: every wait, read and stream of a call looks at it.

    `at_s` is on the clock's own scale; infinite where there is no limit. Safe to use from several threads.
    """

    __slots__ = ("at_s", "clock")

    def __init__(self, clock: Clock, at_s: float = float("inf")) -> None:
        self.clock = clock
        self.at_s = at_s

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Deadline:
        """The deadline that is that many seconds from now."""
        return cls(clock, clock.now() + seconds)

    def within(self, seconds: float) -> Deadline:
        """The earlier of this one and that many seconds from now."""
        return Deadline(self.clock, min(self.at_s, self.clock.now() + seconds))

    def remaining_s(self) -> float:
        """Seconds that are left, never negative."""
        return max(0.0, self.at_s - self.clock.now())

    def check(self, waiting_for: str) -> None:
        """Raises: Interrupted once the run is cancelled; DeadlinePassed, naming what was waited for."""
        self.clock.check()
        if self.clock.now() >= self.at_s:
            raise DeadlinePassed(f"the deadline passed while waiting for {waiting_for}")

    def sleep(self, seconds: float, waiting_for: str) -> None:
        """Pause, at most until the deadline. Raises: as `check` does."""
        self.check(waiting_for)
        self.clock.sleep(min(seconds, self.remaining_s()))
