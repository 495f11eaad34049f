"""Logs of the stand-in's apps in sessions, and the output of their release phases, as streams.

Source: Platform API reference, "Log session"; what the Heroku CLI sends and reads.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shipit.rehearsal.app import App, failure, json_response
from shipit.rehearsal.releases import Output
from shipit.rehearsal.server import Request, Response

# Lines of an app that Heroku keeps.
KEPT_LINES = 1_500
_FIELDS = {"dyno": str, "source": str, "lines": int, "tail": bool}
_LOOK_S = 0.05


@dataclass(frozen=True)
class LogSession:
    """What a log session shows: of a dyno or a process type, of a source; empty for all."""

    app: App
    dyno: str
    source: str
    lines: int
    tail: bool
    opened_s: float

    def has(self, line: str) -> bool:
        match = re.fullmatch(r"\S+ (\w+)\[(([^].]+)[^]]*)\]: .*", line, re.DOTALL)
        if match is None:
            return False
        source, name, process = match.groups()
        return self.dyno in ("", name, process) and self.source in ("", source)


class LogSessions:
    """The log sessions of all apps. A session can be read for `valid_s`; its stream ends after `lasts_s`."""

    def __init__(self) -> None:
        self.valid_s = 300.0
        self.lasts_s = float("inf")
        self._sessions: dict[str, LogSession] = {}
        self._is_over = threading.Event()

    def stop(self) -> None:
        """End the streams."""
        self._is_over.set()

    def open(self, host: str, app: App, request: Request) -> Response:
        body = json.loads(request.body or b"{}")
        if wrong := _wrong(body):
            return failure(422, "invalid_params", wrong)
        own = LogSession(
            app,
            body.get("dyno") or "",
            body.get("source") or "",
            min(body.get("lines", 100), KEPT_LINES),
            body.get("tail", False),
            time.monotonic(),
        )
        name = str(uuid.uuid4())
        self._sessions[name] = own
        return json_response({"id": name, "logplex_url": f"http://{host}/logs/{name}?srv=1"}, status=201)

    def read(self, request: Request) -> Response:
        """The stream of a session, as server-sent events."""
        own = self._sessions.get(request.groups["id"])
        if own is None or time.monotonic() - own.opened_s > self.valid_s:
            return failure(404, "not_found", "no such log session")
        if "text/event-stream" not in request.headers.get("accept", ""):
            return failure(406, "not_acceptable", "a log session is a text/event-stream")
        return Response(200, self._events(own), {"Content-Type": "text/event-stream"})

    def _events(self, own: LogSession) -> Iterator[bytes]:
        ends_s, log = time.monotonic() + self.lasts_s, own.app.log
        at = len(log)
        lines = [line for line in log[max(0, at - KEPT_LINES) : at] if own.has(line)]
        yield _event(at, lines[-own.lines :] if own.lines else [])
        while own.tail and time.monotonic() < ends_s and not self._is_over.wait(_LOOK_S):
            end = len(log)
            yield _event(end, [line for line in log[at:end] if own.has(line)])
            at = end


def _event(number: int, lines: list[str]) -> bytes:
    return "".join(f"id: {number}\ndata: {line}\n\n" for line in lines).encode()


def _wrong(body: Mapping[str, Any]) -> str:
    """What Heroku would refuse; empty for nothing."""
    for key, value in body.items():
        if key not in _FIELDS or type(value) is not _FIELDS[key]:
            return f"{key} is not a field of a log session, or has the wrong type"
    return "" if body.get("lines", 0) >= 0 else "lines should be 0 or more"


def output_stream(output: Output | None, request: Request) -> Response:
    """The output of a release phase, from where a Range header says."""
    if output is None:
        return Response(404, b"Channel is not registered.")
    match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    start = int(match[1]) if match else 0
    return Response(206 if match else 200, output.follow(start), {"Content-Type": "text/plain"})
