"""Plain lines, and for each target that failed an annotation of GitHub Actions."""

from __future__ import annotations

import sys

from shipit.envelope import Envelope
from shipit.errors import ShipitError
from shipit.events import TargetFinished
from shipit.report.plain import PlainReporter
from shipit.report.problems import annotation_lines
from shipit.report.stream import Writes, as_is, write_lines


class GithubReporter(PlainReporter):
    """What `PlainReporter` writes, and `::error::` lines on `out`."""

    def __init__(self, out: Writes | None = None, err: Writes | None = None, *, color: bool = False) -> None:
        super().__init__(out, err, color=color)
        self._annotations = as_is(out or sys.stdout)

    def __call__(self, envelope: Envelope) -> None:
        super().__call__(envelope)
        event = envelope.event
        if isinstance(event, TargetFinished) and event.state == "failed":
            verdict = event.verdict
            what = "\n".join(part for part in (verdict.reason, *verdict.detail, verdict.down) if part)
            error = ShipitError(what, where=event.target, hint=verdict.hint)
            write_lines(self._annotations, annotation_lines(error, "error"))
