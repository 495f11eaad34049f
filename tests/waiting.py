"""Waiting for something that comes by itself, also on a machine that is busy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(read: Callable[[], T], is_wanted: Callable[[T], bool], within_s: float = 120, pause_s: float = 0.2) -> T:
    """Read again and again until it is what is wanted; fails with what was read last."""
    ends = time.monotonic() + within_s
    while not is_wanted(found := read()):
        assert time.monotonic() < ends, f"still not there after {within_s:.0f} s; read last: {found!r}"
        time.sleep(pause_s)
    return found
