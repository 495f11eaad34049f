"""The seconds between looks at new containers."""

from __future__ import annotations

from collections.abc import Iterator

_FIRST_S, _LONGEST_S, _GROWTH = 0.02, 0.2, 1.3


def ready_pauses() -> Iterator[float]:
    """Without an end: short at first, as most containers are ready soon."""
    pause_s = _FIRST_S
    while True:
        yield pause_s
        pause_s = min(_LONGEST_S, pause_s * _GROWTH)
