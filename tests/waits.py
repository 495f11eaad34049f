"""How long tests wait. Nothing here is a speed that is promised: the machine may be loaded ten times over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# What takes a moment is over by then; where it is not, it waits for something else, which takes longer or has no end.
SOON_S = 25.0


def wait_until(what: str, is_so: Callable[[], T], within_s: float = 60.0) -> T:
    """Look again and again until something is so; the first true answer. Fails with `what` after `within_s`."""
    ends_s = time.monotonic() + within_s
    while not (found := is_so()):
        assert time.monotonic() < ends_s, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.02)
    return found
