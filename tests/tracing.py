"""A plugin of coverage that lets threads start while others do.

CPython 3.11 refuses `sys.settrace` while another thread is within it ("Cannot install a trace function while another
trace function is being installed"), and a thread that starts then ends before its work.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

_set_trace = sys.settrace


def _set_trace_when_free(function: Callable[..., Any] | None) -> None:
    """Try until no other thread is within it, which takes microseconds."""
    while True:
        try:
            _set_trace(function)
            return
        except RuntimeError:
            time.sleep(0)


def coverage_init(registry: object, options: object) -> None:
    """What coverage calls once in each process, before it measures."""
    sys.settrace = _set_trace_when_free
