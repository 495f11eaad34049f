"""The limits of one exchange: a deadline for all of it, a bound on silence, a minimum rate for bodies, maximum sizes."""

from __future__ import annotations

import time
from collections.abc import Callable

from shipit.clock import SLICE_S, Deadline
from shipit.errors import RemoteError
from shipit.http.reach import Reach, reach_of

# The minimum rate of a body in bytes a second, averaged over a window of seconds.
LEAST_RATE, WINDOW_S = 1024, 30.0
# Maximum sizes of the status line with headers, and of the chunk framing around a piece of a body.
LARGEST_HEAD = LARGEST_FRAMING = 1024 * 1024


class Pace:
    """The limits of one request, and its progress. Sockets call `wait` for every wait.

    `silence_s` bounds every single wait, the whole of connecting and securing one address, and the whole head of an
    answer. `least_rate` is in bytes a second; 0 for a stream that follows something which may have nothing to say.
    """

    def __init__(
        self,
        shown: str,
        deadline: Deadline,
        silence_s: float,
        least_rate: int = LEAST_RATE,
        led_by: Reach | None = None,
    ) -> None:
        self.shown = shown
        self.deadline = deadline
        self._silence_s = silence_s
        self._least_rate = least_rate
        self._window_s = min(WINDOW_S, silence_s)
        self._led_by = led_by
        self.begin("the connection")

    def check_address(self, host: str, address: str) -> None:
        """Refuse an address of this machine or its link where a server elsewhere led us to its name. Raises: RemoteError."""
        if self._led_by is not None and not self._led_by.may_lead_to(reach_of(address)):
            raise RemoteError(f"redirects to an address of this machine or its link: {host}", where=self.shown)

    @property
    def follows(self) -> bool:
        """Whether the body is a stream that is read as it arrives, in pieces of any size."""
        return self._least_rate == 0

    def begin(self, part: str, *, within_s: float | None = None, most_bytes: float = float("inf")) -> None:
        """Begin a part of the exchange, which may wait `within_s` seconds in total and receive `most_bytes`."""
        self._part, self._left_s, self._left_bytes = part, within_s, most_bytes
        self._waited_s, self._moved = 0.0, 0

    def connecting(self, within_s: float) -> None:
        self.begin("the connection", within_s=min(within_s, self._silence_s))

    def sending(self) -> None:
        self.begin("its body to be taken")

    def head(self) -> None:
        self.begin("an answer", within_s=self._silence_s, most_bytes=LARGEST_HEAD)

    def body(self, amount: int) -> None:
        """Before so many bytes of the body are read."""
        if self._part != "the rest of its answer":
            self.begin("the rest of its answer")
        self._left_bytes = 8 * amount + LARGEST_FRAMING

    def wait(self, waiting: Callable[[float], int | None]) -> int:
        """How many bytes `waiting(seconds)` moved; it is called with short times until it returns a number.

        Raises: DeadlinePassed, Interrupted; TimeoutError after too long a silence; RemoteError for a body that is too slow or
        too long.
        """
        silent_s = 0.0
        while True:
            self.deadline.check(f"{self._part}: {self.shown}")
            began = time.monotonic()
            moved = waiting(min(SLICE_S, max(0.001, self.deadline.remaining_s())))
            waited = time.monotonic() - began
            silent_s += waited
            self._count(moved or 0, waited)
            if moved is not None:
                return moved
            if silent_s >= self._silence_s:
                raise TimeoutError

    def _count(self, moved: int, waited_s: float) -> None:
        self._waited_s += waited_s
        self._moved += moved
        self._left_bytes -= moved
        if self._left_bytes < 0:
            raise RemoteError("the answer has too many headers, or too much chunk framing", where=self.shown)
        if self._left_s is not None:
            if self._waited_s >= self._left_s:
                raise TimeoutError
        elif self._waited_s >= self._window_s:
            # No byte at all is silence, which has its own limit.
            if 0 < self._moved < self._least_rate * self._window_s:
                raise RemoteError(self._slow(), where=self.shown, hint="check the network", retryable=True)
            self._waited_s, self._moved = (0.0, 0) if self._moved else (self._waited_s, 0)

    def _slow(self) -> str:
        return f"slower than {self._least_rate} bytes a second: gave up waiting for {self._part}"
