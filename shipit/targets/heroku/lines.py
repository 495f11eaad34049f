"""A stream of bytes as lines, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

# A longer line is replaced by its size.
LONGEST_LINE = 64 * 1024
TAIL_LINES = 20


class Lines:
    """Splits chunks of bytes into lines. `tail` has the last ones.

    A line of more than 64 KiB is replaced by its size: a secret in it could not be found in a part of it.
    """

    def __init__(self, tail_lines: int = TAIL_LINES) -> None:
        self.tail: deque[str] = deque(maxlen=tail_lines)
        self._rest = bytearray()
        self._dropped = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that end in this chunk."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._add(data[start:end])
            yield self._line()
            start = end + 1
        self._add(data[start:])

    def end(self) -> Iterator[str]:
        """The last line, if it has no newline."""
        if self._rest or self._dropped:
            yield self._line()

    def _add(self, data: bytes) -> None:
        if self._dropped or len(self._rest) + len(data) > LONGEST_LINE:
            self._dropped += len(self._rest) + len(data)
            self._rest.clear()
        else:
            self._rest += data

    def _line(self) -> str:
        dropped, self._dropped = self._dropped, 0
        text = f"[a line of {dropped} bytes]" if dropped else self._rest.decode("utf-8", "replace").rstrip("\r")
        self._rest.clear()
        self.tail.append(text)
        return text
