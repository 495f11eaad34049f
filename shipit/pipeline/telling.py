"""From the events of a run to its reporter: redacted, cut, then numbered, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable

from shipit.clock import Clock
from shipit.envelope import Envelope, Sealer
from shipit.events import Event, Log, target_of
from shipit.redact import Redactor
from shipit.redact_log import LogRedactor


class Teller:
    """Hands events to a reporter with their free text redacted and then cut. A log is redacted as one text, across lines.

    Safe to use from several threads.
    """

    def __init__(self, tell: Callable[[Envelope], None], redactor: Redactor, clock: Clock) -> None:
        self._tell = tell
        self._redactor = redactor
        self._clock = clock
        self._seal = Sealer()
        self._logs: dict[tuple[str, str], LogRedactor] = {}
        self._lock = threading.RLock()

    @property
    def run(self) -> str:
        """The id of the run, which every envelope has."""
        return self._seal.run

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Log):
                for line in self._log(event).push(event.line):
                    self._hand_on(event._replace(line=line))
                return
            self.flush(target_of(event))
            self._hand_on(self._redactor.value(event))

    def flush(self, target: str | None = None) -> None:
        """Emit the log lines that were held back, of one target or of all."""
        with self._lock:
            for own, source in list(self._logs):
                if target in (None, own):
                    for line in self._logs.pop((own, source)).flush():
                        self._hand_on(Log(own, source, line))

    def _hand_on(self, event: Event) -> None:
        self._tell(self._seal(event, self._clock.wall_s()))

    def _log(self, event: Log) -> LogRedactor:
        return self._logs.setdefault((event.target, event.source), LogRedactor(self._redactor))
