"""The new lines of a log since the last read, by the timestamp that the kubelet puts before each line. Pure.

Source: Kubernetes API reference, Pod log, `timestamps` and `sinceTime`, which counts in whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

_NEVER = datetime.min.replace(tzinfo=UTC)


class Tail:
    """The time of the last line, and the number of lines with that time."""

    def __init__(self) -> None:
        self._last = _NEVER
        self._count = 0

    @property
    def since(self) -> str:
        """`sinceTime` of the next read; empty for the first one."""
        return "" if self._last == _NEVER else self._last.strftime("%Y-%m-%dT%H:%M:%SZ")

    def new(self, lines: Iterable[str]) -> list[str]:
        """The new lines without their timestamps. A line without one has that of the line before it."""
        last, known, found = self._last, self._count, []
        for line in lines:
            time, _, text = line.partition(" ")
            if (at := _parsed(time)) is None:
                at, text = self._last, line
            if at < last or (at == last and known > 0):
                known -= at == last
                continue
            self._count = self._count + 1 if at == self._last else 1
            self._last = at
            found.append(text)
        return found

    def skip(self) -> None:
        """Continue with the next second, when one second has more lines than one read returns."""
        self._last, self._count = self._last.replace(microsecond=0) + timedelta(seconds=1), 0


def _parsed(text: str) -> datetime | None:
    """The time of RFC 3339 text, to the microsecond."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
