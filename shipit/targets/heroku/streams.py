"""The output of a release command, and logs: streams at URLs from Heroku's answers, requested without our token."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from shipit.clock import Deadline
from shipit.errors import DeadlinePassed, RemoteError
from shipit.http.messages import Answer
from shipit.targets.heroku.address import is_trusted_url
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.lines import TAIL_LINES, Lines
from shipit.targets.heroku.wire import HerokuWire

SILENT_S = 5.0
LOG_S = 10.0


class ReleaseOutput:
    """The output of one release command; each read continues where the last one ended. `lines.tail` has its last lines."""

    def __init__(self, wire: HerokuWire, url: str | None) -> None:
        self.lines = Lines()
        self.is_refused = bool(url) and not is_trusted_url(url or "", wire.base)
        self._wire = wire
        self._url = None if self.is_refused else url
        self._offset = 0

    def more(self, deadline: Deadline) -> Iterator[str]:
        """Lines until the stream ends, breaks, is silent for five seconds, or the deadline passes.

        A stream that does not exist yet, as in the first seconds, is empty.
        """
        if self._url is None:
            return
        headers = {"Accept": "text/plain", **({"Range": f"bytes={self._offset}-"} if self._offset else {})}
        skip = self._offset
        try:
            with _opened(self._wire, self._url, headers, deadline) as answer:
                if answer.status not in (200, 206):
                    return
                skip = 0 if answer.status == 206 else skip
                for chunk in answer.pieces():
                    fresh, skip = chunk[skip:], max(0, skip - len(chunk))
                    self._offset += len(fresh)
                    yield from self.lines.feed(fresh)
        except (RemoteError, DeadlinePassed):
            return


def recent_logs(client: HerokuClient, dyno: str = "", count: int = TAIL_LINES) -> list[str]:
    """The last lines of the app's log, or of one dyno's, that arrive within ten seconds: a session may stay open.

    Empty when the log can't be read.
    """
    client = replace(client, deadline=Deadline.after(client.wire.clock, LOG_S), attempts=1)
    found: deque[str] = deque(maxlen=count)
    try:
        url = client.log_session(count, dyno)
        if is_trusted_url(url, client.wire.base):
            found.extend(_log_lines(client, url))
    except (RemoteError, DeadlinePassed):
        return []
    return list(found)


def _log_lines(client: HerokuClient, url: str) -> Iterator[str]:
    headers = {"Accept": "text/event-stream, text/plain"}
    lines = Lines()
    try:
        with _opened(client.wire, url, headers, client.deadline) as answer:
            if answer.status != 200:
                return
            is_events = answer.header("Content-Type").startswith("text/event-stream")
            for chunk in answer.pieces():
                yield from parse_log(lines.feed(chunk), is_events=is_events)
            yield from parse_log(lines.end(), is_events=is_events)
    except (RemoteError, DeadlinePassed):
        # Return the lines that arrived.
        return


def _opened(wire: HerokuWire, url: str, headers: Mapping[str, str], deadline: Deadline) -> Answer:
    """Open a stream without our token. It may be silent for a while."""
    return wire.http.send("GET", url, headers=headers, stream=True, read_s=SILENT_S, least_rate=0, deadline=deadline)


def parse_log(lines: Iterable[str], *, is_events: bool) -> Iterator[str]:
    """The lines of a log session: plain text, or the `data:` of server-sent events."""
    for line in lines:
        if is_events and not line.startswith("data:"):
            continue
        if text := line.removeprefix("data:").removeprefix(" ") if is_events else line:
            yield text
