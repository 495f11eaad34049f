"""An engine on a unix socket that gives the answers that a test sets."""

from __future__ import annotations

import json
import socketserver
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

VERSION = {
    "ApiVersion": "1.41",
    "Version": "20.10.24",
    "Os": "linux",
    "Arch": "arm64",
    "Components": [{"Name": "Engine"}],
}


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers `METHOD /path`, without the API version, with a status and a body; everything else with 404."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {"GET /version": (200, json.dumps(VERSION).encode())}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.is_stopped = False
        super().__init__(str(path), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def _answer(self) -> None:
        self.close_connection = True
        if self.server.is_stopped:
            return
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        key = f"{self.command} {path.removeprefix('/v1.41')}"
        self.server.requests.append((f"{self.command} {self.path}", dict(self.headers)))
        status, body = self.server.answers.get(key, (404, b'{"message": "No such image"}'))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        pass
