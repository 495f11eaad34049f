"""The way from a run to its reporter: every event redacted, then cut, in order."""

from __future__ import annotations

import threading

from shipit.events import Emit, Event, Log, target_of
from shipit.redact import Redactor
from shipit.redact_log import LogRedactor


class Teller:
    """Tells events with their free text redacted and then cut. A log is redacted as one text, across its lines.

    Safe to use from several threads.
    """

    def __init__(self, tell: Emit, redactor: Redactor) -> None:
        self._tell = tell
        self._redactor = redactor
        self._logs: dict[tuple[str, str], LogRedactor] = {}
        self._lock = threading.RLock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Log):
                for line in self._log(event).push(event.line):
                    self._tell(event._replace(line=line))
                return
            self.flush(target_of(event))
            self._tell(self._redactor.value(event))

    def flush(self, target: str | None = None) -> None:
        """Tell the lines that were held back, those of one target or all: what comes next is not part of their log."""
        with self._lock:
            for own, source in list(self._logs):
                if target in (None, own):
                    for line in self._logs.pop((own, source)).flush():
                        self._tell(Log(own, source, line))

    def _log(self, event: Log) -> LogRedactor:
        return self._logs.setdefault((event.target, event.source), LogRedactor(self._redactor))
