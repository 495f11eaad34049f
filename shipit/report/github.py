"""For GitHub Actions: plain lines, an annotation for each target that failed, and the summary of the step."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from shipit.envelope import Envelope
from shipit.errors import ShipitError
from shipit.events import Event, PlanMade, RunFailed, RunFinished, RunStarted, TargetFinished
from shipit.report.plain import PlainReporter
from shipit.report.problems import annotation_lines
from shipit.report.step_summary import LIMIT_BYTES, render_summary
from shipit.report.stream import Writes, as_is, write_lines


class GithubReporter(PlainReporter):
    """What `PlainReporter` writes, and `::error::` lines on `out`. `close` appends the summary of the run to a file.

    `summary` is the file that GITHUB_STEP_SUMMARY names; None for no summary. A file that can't be written is left out.
    """

    def __init__(
        self,
        out: Writes | None = None,
        err: Writes | None = None,
        *,
        color: bool = False,
        shows_plan: bool = True,
        summary: Path | None = None,
    ) -> None:
        super().__init__(out, err, color=color, shows_plan=shows_plan)
        self._annotations = as_is(out or sys.stdout)
        self._summary = summary
        self._summarized: list[Event] = []

    def __call__(self, envelope: Envelope) -> None:
        super().__call__(envelope)
        event = envelope.event
        if isinstance(event, RunStarted | PlanMade | TargetFinished | RunFailed | RunFinished):
            self._summarized.append(event)
        if isinstance(event, TargetFinished) and event.state == "failed":
            verdict = event.verdict
            what = "\n".join(part for part in (verdict.reason, *verdict.detail, verdict.down) if part)
            error = ShipitError(what, where=event.target, hint=verdict.hint)
            write_lines(self._annotations, annotation_lines(error, "error"))

    def close(self) -> None:
        events, self._summarized = self._summarized, []
        if self._summary is None or not events:
            return
        with contextlib.suppress(OSError):
            _append(self._summary, events)


def _append(file: Path, events: list[Event]) -> None:
    """Add the summary to a regular file, if it has room. A pipe without a reader would never be opened."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with os.fdopen(os.open(file, flags, 0o666), "wb") as out:
        info = os.fstat(out.fileno())
        if stat.S_ISREG(info.st_mode):
            out.write(render_summary(events, LIMIT_BYTES - info.st_size).encode(errors="replace"))
