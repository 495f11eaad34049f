"""The standard streams of the process: always open, and their errors never stop a deploy."""

from __future__ import annotations

import os
import sys

from shipit.report.stream import Stream


def secure_streams() -> None:
    """Open closed streams on the null device, before a file takes their number; escape everything that is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = Stream(1, _encoding(sys.stdout))
    sys.stderr = Stream(2, _encoding(sys.stderr))


def _encoding(stream: object) -> str:
    return getattr(stream, "encoding", None) or "utf-8"
