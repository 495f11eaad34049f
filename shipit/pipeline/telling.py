"""From the events of a run to its reporter: redacted, cut, then numbered, in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from shipit.clock import Clock
from shipit.envelope import Envelope, Sealer
from shipit.events import Emit, Event, Log, LogLine, Warned, target_of
from shipit.redact import Redactor
from shipit.redact_log import LogRedactor

if TYPE_CHECKING:
    # `exec` and `logs` given again begin without models.
    from shipit.config.project import Project

# The lines of a workload are what was asked for: they are not cut as short as those that are shown beside a deploy.
LONGEST_LINE = 64 * 1024


def tell_warnings(project: Project, emit: Emit) -> None:
    """Emit the warnings about deploy.yml, such as a variable that is not set and that only a deploy needs."""
    for warning in project.warnings:
        emit(Warned("", str(warning)))


class _Instance:
    """The log of one instance of a workload: what is known of a line stays with it while it is held back."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = LogRedactor(redactor, LONGEST_LINE)
        self._waiting: deque[LogLine] = deque()

    def push(self, event: LogLine) -> Iterator[LogLine]:
        line = event.line.replace("\n", "\\n")
        if not event.cut_bytes:
            self._waiting.append(event)
            return self._redacted(self._redactor.push(line))
        kept = self._redactor.without_begun(line)
        cut_bytes = event.cut_bytes + len(line[len(kept) :].encode())
        self._waiting.append(event._replace(cut_bytes=cut_bytes))
        # What was cut off can't go on in the next line.
        return self._redacted([*self._redactor.push(kept), *self._redactor.flush()])

    def flush(self) -> Iterator[LogLine]:
        return self._redacted(self._redactor.flush())

    def _redacted(self, lines: list[str]) -> Iterator[LogLine]:
        for line in lines:
            yield self._waiting.popleft()._replace(line=line)


class Teller:
    """Hands events to a reporter with their free text redacted and then cut. A log is redacted as one text, across lines.

    Safe to use from several threads. After `close`, events of threads that still end are dropped: a reporter has shown the end.
    """

    def __init__(self, tell: Callable[[Envelope], None], redactor: Redactor, clock: Clock) -> None:
        self._tell = tell
        self._redactor = redactor
        self._clock = clock
        self._seal = Sealer()
        self._logs: dict[tuple[str, str], LogRedactor] = {}
        self._instances: dict[tuple[str, str], _Instance] = {}
        self._is_closed = False
        self._lock = threading.RLock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if self._is_closed:
                return
            if isinstance(event, LogLine):
                for shown in self._instance(event).push(event):
                    self._hand_on(shown)
                return
            if isinstance(event, Log):
                for line in self._log(event).push(event.line):
                    self._hand_on(event._replace(line=line))
                return
            self.flush(target_of(event))
            self._hand_on(self._redactor.value(event))

    @property
    def run(self) -> str:
        """The id of the run."""
        return self._seal.run

    def flush(self, target: str | None = None) -> None:
        """Emit the log lines that were held back, of one target or of all."""
        with self._lock:
            for own, source in list(self._logs):
                if target in (None, own):
                    for line in self._logs.pop((own, source)).flush():
                        self._hand_on(Log(own, source, line))
            for own, name in list(self._instances):
                if target in (None, own):
                    for shown in self._instances.pop((own, name)).flush():
                        self._hand_on(shown)

    def close(self) -> None:
        """Emit what was held back; nothing follows."""
        with self._lock:
            self.flush()
            self._is_closed = True

    def _hand_on(self, event: Event) -> None:
        self._tell(self._seal(event, self._clock.wall_s()))

    def _log(self, event: Log) -> LogRedactor:
        return self._logs.setdefault((event.target, event.source), LogRedactor(self._redactor))

    def _instance(self, event: LogLine) -> _Instance:
        key = (event.target, event.instance)
        if key not in self._instances:
            self._instances[key] = _Instance(self._redactor)
        return self._instances[key]
