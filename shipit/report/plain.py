"""Plain lines, for logs and pipes."""

from __future__ import annotations

import sys
import threading
from typing import TextIO

from shipit.events import Event, PlanMade
from shipit.report.text import progress_lines, result_lines


class PlainReporter:
    """Progress to `err`, results to `out`, a line each, at once."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out, self._err = out or sys.stdout, err or sys.stderr
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            for line in [*progress_lines(event), *(event.text.splitlines() if isinstance(event, PlanMade) else [])]:
                print(line, file=self._err, flush=True)
            for line in result_lines(event):
                print(line, file=self._out, flush=True)

    def close(self) -> None:
        """Nothing is held back."""
