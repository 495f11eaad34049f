"""Which lines of a log are wanted, as data."""

from __future__ import annotations

from typing import NamedTuple


class LogQuery(NamedTuple):
    """Which lines of a log are wanted.

    `since_s`: how many seconds back from now, `tail`: how many of the last lines of each instance; None for no limit.
    `previous`: those of the run before the last restart.
    """

    follow: bool = False
    since_s: float | None = None
    tail: int | None = None
    previous: bool = False
