"""The seconds between looks at new containers."""

from __future__ import annotations

from collections.abc import Iterator

_FIRST_S, _LONGEST_S, _GROWTH = 0.05, 0.2, 1.2


def ready_pauses() -> Iterator[float]:
    """Without an end: short at first, as most containers are ready soon."""
    pause_s = _FIRST_S
    while True:
        yield pause_s
        pause_s = min(_LONGEST_S, pause_s * _GROWTH)
