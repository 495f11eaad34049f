"""The lines of the last seconds of a log: where it is read again from before its end, each line is given once. Pure.

Logs are read again from a whole second, and the lines of two output streams may be a little out of order.
"""

from __future__ import annotations

from collections import Counter, deque

from shipit.targets.log_times import SECONDS, second_before

# A source that writes more lines than this in the window may have lines doubled after a broken connection.
_MOST = 200_000
_MOST_TIMELESS = 100


class SeenLines:
    """Remembers lines for `window_s` seconds before the newest. Times are in the form of log_times."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._recent: deque[tuple[str, int]] = deque(maxlen=_MOST)
        self._first = self._newest = self._since = ""
        self._timeless: set[int] = set()
        # What read_again knew: the lines to leave out, the time before which all are left out, and the newest time.
        self._again: Counter[int] | None = None
        self._floor = self._until = ""

    @property
    def since(self) -> str:
        """The second from which the log has to be read again, as `2026-01-31T12:00:00`; empty before the first line."""
        return self._since

    def read_again(self) -> None:
        """What comes next is the log from `since` or earlier."""
        if self._newest:
            self._again = Counter(key for _, key in self._recent)
            self._floor, self._until = max(self._since, self._first), self._newest

    def is_new(self, time: str, text: str) -> bool:
        """Whether a line was not given before; it counts as given now."""
        key = hash((time, text))
        if not time:
            # What a node says itself, such as why it has no log: once is enough.
            is_new = key not in self._timeless
            self._timeless = {key, *self._timeless} if len(self._timeless) < _MOST_TIMELESS else {key}
            return is_new
        if self._again is not None:
            if time < self._floor:
                return False
            if self._again[key] > 0:
                self._again[key] -= 1
                return False
        self._first = self._first or time
        if time > self._newest:
            if time[:SECONDS] != self._newest[:SECONDS]:
                self._move(time)
            self._newest = time
        self._recent.append((time, key))
        return True

    def _move(self, time: str) -> None:
        """The window moves with the second of the newest line."""
        self._since = second_before(time, self._window_s)
        while self._recent and self._recent[0][0] < self._since:
            self._recent.popleft()
        if self._since > self._until:
            self._again = None
