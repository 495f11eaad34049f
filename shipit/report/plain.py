"""Plain lines, for logs and pipes."""

from __future__ import annotations

import sys
import threading

from shipit.envelope import Envelope
from shipit.events import LogLine, PlanMade
from shipit.printable import inert_line
from shipit.report.log_text import COLORS, render_log_line
from shipit.report.stream import Writes, as_is, write_lines
from shipit.report.text import plan_lines, progress_lines, result_lines


class PlainReporter:
    """Writes progress to `err` and results to `out`, line by line. No line is a command of a CI system.

    With `color` the lines of a log keep their colours, with `out_color` those that are a result. `shows_plan` is False where the command prints the plan itself.
    """

    def __init__(
        self,
        out: Writes | None = None,
        err: Writes | None = None,
        *,
        color: bool = False,
        out_color: bool = False,
        shows_plan: bool = True,
    ) -> None:
        self._out, self._err = as_is(out or sys.stdout), as_is(err or sys.stderr)
        self._color, self._shows_plan = color, shows_plan
        self._out_color = out_color
        # The name of an instance of a workload -> its colour.
        self._colors: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, envelope: Envelope) -> None:
        event = envelope.event
        if isinstance(event, LogLine):
            with self._lock:
                write_lines(self._out, [inert_line(render_log_line(event, self._color_of(event.instance)))])
            return
        plan = plan_lines(event.plan, envelope.at) if isinstance(event, PlanMade) and self._shows_plan else []
        with self._lock:
            write_lines(self._err, map(inert_line, [*progress_lines(event, color=self._color), *plan]))
            write_lines(self._out, map(inert_line, result_lines(event)))

    def close(self) -> None:
        """Every line is written at once."""

    def _color_of(self, instance: str) -> int | None:
        if not self._out_color:
            return None
        return self._colors.setdefault(instance, COLORS[len(self._colors) % len(COLORS)])
