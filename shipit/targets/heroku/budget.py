"""The request rate to Heroku's API: as fast as possible while Heroku allows many more, then by the second."""

from __future__ import annotations

import threading

from shipit.clock import Clock, Deadline
from shipit.events import Emit, Warned

# Source: Platform API reference, "Rate limits": 4500 requests an hour and account, refilled by about 75 a minute.
_BURST = 400
_PER_S = 1.0
# Of the requests that Heroku still allows, as many are left to others who use the account.
_RESERVE = 1000
_FEW = 200
_FEW_PER_S = 0.2
_MOST_DIGITS = 9
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 1.0
# A person notices when requests have waited that long together.
_NOTICED_S = 10.0


class RequestBudget:
    """A token bucket of requests: 400 at once and one a second, and as many as Heroku says that it allows, except for 1000.

    When few requests are left, because others use the account as well, the rate is a fifth.
    Safe to use from several threads.
    """

    def __init__(self, clock: Clock, emit: Emit) -> None:
        self._clock = clock
        self._emit = emit
        self._left = float(_BURST)
        self._per_s = _PER_S
        self._at_s = clock.now()
        self._waited_s = 0.0
        self._lock = threading.Lock()

    def wait(self, deadline: Deadline, where: str) -> None:
        """Wait until a request may be sent, and count it. Raises: DeadlinePassed, Interrupted."""
        deadline.check(where)
        while pause_s := self._spend():
            # An answer to another request may say meanwhile that Heroku allows more.
            pause_s = min(pause_s, _LONGEST_PAUSE_S)
            deadline.sleep(pause_s, where)
            self._count(pause_s)

    def _count(self, waited_s: float) -> None:
        """Tell once that requests wait."""
        with self._lock:
            was_noticed = self._waited_s >= _NOTICED_S
            self._waited_s += waited_s
            is_noticed, every_s = self._waited_s >= _NOTICED_S, 1 / self._per_s
        if is_noticed and not was_noticed:
            self._emit(
                Warned("", f"requests to Heroku wait: shipit sends one every {every_s:g} s, to leave some to others")
            )

    def _spend(self) -> float:
        """0 for a request that is counted, otherwise the seconds until there may be one."""
        with self._lock:
            now = self._clock.now()
            self._left = max(self._left, min(_BURST, self._left + (now - self._at_s) * self._per_s))
            self._at_s = now
            if self._left < 1:
                return max(_SHORTEST_PAUSE_S, (1 - self._left) / self._per_s)
            self._left -= 1
            return 0.0

    def update(self, remaining: str) -> None:
        """Adopt a RateLimit-Remaining header; text that is not a number is ignored."""
        if not remaining.isascii() or not remaining.isdigit() or len(remaining) > _MOST_DIGITS:
            return
        left = int(remaining)
        with self._lock:
            was_few, is_few = self._per_s == _FEW_PER_S, left < _FEW
            self._per_s = _FEW_PER_S if is_few else _PER_S
            self._left = min(self._left, 0.0) if is_few else max(self._left, float(left - _RESERVE))
        if is_few and not was_few:
            self._emit(Warned("", f"Heroku allows this account {left} more requests for now: shipit sends fewer"))
