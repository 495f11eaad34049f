"""Dynos of the stand-in that are no processes: web answers in this process, and a release command ends as it is told."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from shipit.rehearsal.dyno import Line, Running
from shipit.rehearsal.registry import EmbeddedRegistry


class Phase(NamedTuple):
    """One run of a release command: the command of its image, and the config vars that it saw."""

    command: tuple[str, ...]
    env: dict[str, str]


class _Idle:
    def exit_code(self) -> int | None:
        return None

    def stop(self) -> None:
        """Nothing to stop."""


class _Web:
    def __init__(self, port: int, status: Callable[[], int]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status())
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Writes no log."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def exit_code(self) -> int | None:
        return None

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Phase:
    def __init__(self, code: int, lasts_s: float) -> None:
        self._code, self._ends_s = code, time.monotonic() + lasts_s

    def exit_code(self) -> int | None:
        return self._code if time.monotonic() >= self._ends_s else None

    def stop(self) -> None:
        """It is over, or nobody waits for it."""


class ScriptedRunner:
    """`codes` are what release commands end with in turn, the last one for all that follow; `phases` those that ran.

    `web_status` is what web answers. A process whose command has the word crash ends as soon as it is started.
    """

    kind = "scripted"

    def __init__(self) -> None:
        self.codes = [0]
        self.lasts_s = 0.0
        self.lines: tuple[str, ...] = ("migrating",)
        self.phases: list[Phase] = []
        self.web_status = 200

    def start(
        self, registry: EmbeddedRegistry, name: str, digest: str, env: Mapping[str, str], port: int, line: Line
    ) -> Running:
        process = name.rpartition("/")[2]
        if process == "release":
            self.phases.append(Phase(_command(registry, name, digest), dict(env)))
            for text in self.lines:
                line(text)
            return _Phase(self.codes.pop(0) if len(self.codes) > 1 else self.codes[0], self.lasts_s)
        if "crash" in _command(registry, name, digest):
            return _Phase(1, 0)
        return _Web(port, lambda: self.web_status) if process == "web" else _Idle()


def _command(registry: EmbeddedRegistry, name: str, digest: str) -> tuple[str, ...]:
    config: Any = json.loads(registry.manifests[name, digest][1])["config"]["digest"]
    return tuple(json.loads(registry.blobs[config])["config"]["Cmd"])
