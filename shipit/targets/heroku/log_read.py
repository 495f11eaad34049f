"""The log of a process type: sessions of Heroku's log, read without our token.

Source: Platform API reference, "Log session"; devcenter.heroku.com/articles/logging: line format, and the 1,500 lines kept.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from shipit.errors import RemoteError, UsageError
from shipit.events import LogLine, Retried
from shipit.http.messages import Answer
from shipit.http.retry import backoff_s, retrying
from shipit.http.statuses import refusal
from shipit.targets.heroku.address import is_trusted_url
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.log_lines import read_lines
from shipit.targets.log_query import LogQuery
from shipit.targets.log_times import log_time, parse_log_time
from shipit.targets.seen_lines import SeenLines

# All that Heroku keeps of an app.
KEPT_LINES = 1_500
# A session of what is there is over after such a silence: Heroku need not end it. One that follows is opened again after one.
_SILENT_S, FOLLOW_S = 5.0, 300.0
# The lines of several dynos may arrive this much out of order.
_WINDOW_S = 10
_LEAST_PAUSE_S = 1.0
# What a session answers when its time is over.
_EXPIRED = (403, 404, 410)
_LINE = re.compile(r"(\S+) ([a-z]+)\[([\w.-]{1,128})\]: ?(.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class ProcessLog:
    """The log of one process type of the target `name`: of its dynos, and what the platform says of them."""

    name: str
    process: str
    client: HerokuClient

    def lines(self, wanted: LogQuery) -> Iterator[LogLine]:
        """The lines that are wanted. Raises: RemoteError, UsageError, Interrupted."""
        if wanted.previous:
            what = f"{self.name} has one log for all runs of a dyno: Heroku keeps none of a previous run"
            raise UsageError(what, hint=f"shipit logs {self.name}/{self.process} --tail {KEPT_LINES}")
        there = list(self._there())
        since_s = self.client.wire.clock.wall_s() - wanted.since_s if wanted.since_s is not None else None
        yield from chosen(there, wanted, "" if since_s is None else log_time(since_s))
        if wanted.follow:
            seen = SeenLines(_WINDOW_S)
            for line in there:
                seen.is_new(line.written_at, line.line)
            yield from self._following(seen)

    def _there(self) -> Iterator[LogLine]:
        """The lines that Heroku has kept. Raises: RemoteError when the log can't be opened."""
        answer = self._opened(tail=False, read_s=_SILENT_S)
        # A silence, or a stream that breaks off, is the end of it.
        with suppress(RemoteError):
            yield from self._parsed(answer)

    def _following(self, seen: SeenLines) -> Iterator[LogLine]:
        """New lines, in session after session."""
        failed = 0
        while True:
            seen.read_again()
            pause_s = max(_LEAST_PAUSE_S, backoff_s(failed + 1))
            try:
                for line in self._parsed(self._opened(tail=True, read_s=FOLLOW_S)):
                    if seen.is_new(line.written_at, line.line):
                        failed, pause_s = 0, _LEAST_PAUSE_S
                        yield line
            except RemoteError as error:
                if not error.retryable:
                    raise
                self.client.wire.emit(Retried(error.where, error.what, round(pause_s, 1)))
            failed += 1
            self.client.deadline.sleep(pause_s, "the next log session")

    def _opened(self, *, tail: bool, read_s: float) -> Answer:
        """The stream of a new session. Raises: RemoteError."""
        client = self.client
        url = retrying(
            lambda: client.log_session(KEPT_LINES, self.process, tail=tail),
            deadline=client.deadline,
            emit=client.wire.emit,
            attempts=client.attempts,
        )
        if not is_trusted_url(url, client.wire.base):
            what = "the URL of the log is not one of a public host over https"
            raise RemoteError(what, where=f"POST {client.wire.base}/apps/{client.app}/log-sessions")
        headers = {"Accept": "text/event-stream"}
        answer = client.wire.http.send(
            "GET", url, headers=headers, stream=True, read_s=read_s, least_rate=0, deadline=client.deadline
        )
        if answer.status != 200:
            error = refusal(answer)
            error.retryable = error.retryable or answer.status in _EXPIRED
            raise error
        return answer

    def _parsed(self, answer: Answer) -> Iterator[LogLine]:
        with answer:
            for lines in read_lines(answer.pieces()):
                for text, cut_bytes in lines:
                    if text.startswith("data:") and (line := self._line(text[5:].removeprefix(" "), cut_bytes)):
                        yield line

    def _line(self, text: str, cut_bytes: int) -> LogLine | None:
        """A line of Heroku's log; None where it is of another process type."""
        match = _LINE.fullmatch(text)
        if match is None:
            return None
        time, source, dyno, rest = match.groups()
        if dyno.partition(".")[0] != self.process:
            return None
        instance = dyno if source == "app" else f"{dyno}/{source}"
        return LogLine(self.name, self.process, instance, parse_log_time(time), rest, cut_bytes)


def chosen(there: list[LogLine], wanted: LogQuery, since: str) -> list[LogLine]:
    """The lines of a log that a query wants, in the order of their times; `since` is the time of the oldest."""
    last: defaultdict[str, deque[LogLine]] = defaultdict(lambda: deque(maxlen=wanted.tail))
    for line in there:
        if line.written_at >= since:
            last[line.instance].append(line)
    return sorted((line for lines in last.values() for line in lines), key=lambda line: line.written_at)
