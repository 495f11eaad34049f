"""Plain lines, for logs and pipes."""

from __future__ import annotations

import sys
import threading

from shipit.envelope import Envelope
from shipit.events import PlanMade
from shipit.printable import inert_line
from shipit.report.stream import Writes, as_is, write_lines
from shipit.report.text import plan_lines, progress_lines, result_lines


class PlainReporter:
    """Writes progress to `err` and results to `out`, line by line. No line is a command of a CI system.

    With `color` the lines of a log keep their colours. `shows_plan` is False where the command prints the plan itself.
    """

    def __init__(
        self, out: Writes | None = None, err: Writes | None = None, *, color: bool = False, shows_plan: bool = True
    ) -> None:
        self._out, self._err = as_is(out or sys.stdout), as_is(err or sys.stderr)
        self._color, self._shows_plan = color, shows_plan
        self._lock = threading.Lock()

    def __call__(self, envelope: Envelope) -> None:
        event = envelope.event
        plan = plan_lines(event.plan) if isinstance(event, PlanMade) and self._shows_plan else []
        with self._lock:
            write_lines(self._err, map(inert_line, [*progress_lines(event, color=self._color), *plan]))
            write_lines(self._out, map(inert_line, result_lines(event)))

    def close(self) -> None:
        """Every line is written at once."""
