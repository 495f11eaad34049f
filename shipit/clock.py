"""Time as a value that is handed on, so that tests own it and a cancelled run wakes up. Imports errors only."""

from __future__ import annotations

import threading
import time

from shipit.errors import Interrupted


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
