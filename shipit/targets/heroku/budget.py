"""The request rate to Heroku's API: a burst at first, and never more than Heroku allows in an hour."""

from __future__ import annotations

import threading

from shipit.clock import Clock
from shipit.events import Emit, Warned

# Source: Platform API reference, "Rate limits": 4500 requests an hour and account, refilled by about 75 a minute.
_BURST = 400
_PER_S = 1.0
_FEW = 200
_FEW_PER_S = 0.2
_MOST_DIGITS = 9


class RequestBudget:
    """How long to wait before a request: a token bucket that allows 4000 requests in an hour, the burst included.

    When few requests are left, because others use the account as well, the rate is a fifth.
    Safe to use from several threads.
    """

    def __init__(self, clock: Clock, emit: Emit) -> None:
        self._clock = clock
        self._emit = emit
        self._left = float(_BURST)
        self._per_s = _PER_S
        self._at_s = clock.now()
        self._lock = threading.Lock()

    def spend(self) -> float:
        """Count one request; how many seconds to wait before it is sent."""
        with self._lock:
            now = self._clock.now()
            self._left = min(_BURST, self._left + (now - self._at_s) * self._per_s) - 1
            self._at_s = now
            return max(0.0, -self._left / self._per_s)

    def update(self, remaining: str) -> None:
        """Adopt a RateLimit-Remaining header; text that is not a number is ignored."""
        if not remaining.isascii() or not remaining.isdigit() or len(remaining) > _MOST_DIGITS:
            return
        left = int(remaining)
        with self._lock:
            was_few, is_few = self._per_s == _FEW_PER_S, left < _FEW
            self._per_s = _FEW_PER_S if is_few else _PER_S
            if is_few:
                self._left = min(self._left, 0.0)
        if is_few and not was_few:
            self._emit(Warned("", f"Heroku allows this account {left} more requests for now: shipit sends fewer"))
