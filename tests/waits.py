"""Waiting in tests. No time here is a promise of the product: the machine may be loaded ten times over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Longer than anything takes that needs a moment; shorter than what it would wait for if it were wrong.
SOON_S = 50.0


def wait_until(what: str, read: Callable[[], T], is_so: Callable[[T], object] = bool, within_s: float = 60.0) -> T:
    """Read again and again until it is so; what was read then. Fails with `what`, and with what was read last."""
    ends_s = time.monotonic() + within_s
    while not is_so(found := read()):
        assert time.monotonic() < ends_s, f"not within {within_s:.0f} s: {what}; read last: {found!r}"
        time.sleep(0.02)
    return found
