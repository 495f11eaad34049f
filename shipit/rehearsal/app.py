"""An app of the stand-in: its state, the output of its release phases, and how both are answered."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shipit.rehearsal.dyno import Running
from shipit.rehearsal.server import Response


@dataclass
class Dyno:
    name: str
    process: str
    version: int
    port: int
    state: str = "starting"
    running: Running | None = None
    since: str = ""


@dataclass
class App:
    """`formation`: type -> quantity, size and image (config digest)."""

    name: str
    stack: str = "container"
    generation: str = "cedar"
    formation: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)
    releases: list[dict[str, Any]] = field(default_factory=list)
    dynos: list[Dyno] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    # Release -> images and config vars when it was the newest.
    past: dict[str, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Output:
    """What a release phase writes, for those who follow it."""

    def __init__(self) -> None:
        self._data = b""
        self._is_closed = False
        self._changed = threading.Condition()

    def add(self, line: str) -> None:
        with self._changed:
            self._data += f"{line}\n".encode()
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def follow(self, start: int) -> Iterator[bytes]:
        position = start
        while True:
            with self._changed:
                while len(self._data) <= position and not self._is_closed:
                    self._changed.wait(1)
                chunk, is_closed = self._data[position:], self._is_closed
            position += len(chunk)
            if chunk:
                yield chunk
            elif is_closed:
                return


def dyno_row(app: App, dyno: Dyno) -> dict[str, Any]:
    """A dyno as GET /dynos lists it."""
    size = app.formation[dyno.process]["size"]
    known = {"name": dyno.name, "type": dyno.process, "state": dyno.state, "release": {"version": dyno.version}}
    return {**known, "size": size, "command": "", "created_at": dyno.since, "updated_at": dyno.since}


def now_text() -> str:
    """This moment as the API writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of the API, with a request id."""
    return Response(
        status,
        json.dumps(value).encode(),
        {"Content-Type": "application/json", "Request-Id": str(uuid.uuid4()), **(headers or {})},
    )


def failure(status: int, name: str, message: str, *, resource: str = "") -> Response:
    """An error of the API."""
    body = {"id": name, "message": message, **({"resource": resource} if resource else {})}
    return json_response(body, status=status)
