"""An engine on a unix socket that gives the answers that a test sets."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
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
    """Answers `METHOD /path`, without the API version, with a status and a body; everything else with 404.

    `keeps_connections`: a client may send more than one request on a connection. `connections` are those with a request.
    `is_silent`: answers have no end, and the connection stays open. `together`: as many requests are answered at the same time.
    """

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {"GET /version": (200, json.dumps(VERSION).encode())}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.is_stopped = self.keeps_connections = self.is_silent = False
        self.is_over = threading.Event()
        self.together: threading.Barrier | None = None
        self.connections: set[Handler] = set()
        super().__init__(str(path), Handler)

    def close_connections(self) -> None:
        """Close the connections that clients keep, as an engine that ends does."""
        for handler in self.connections:
            handler.connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.server.connections.add(self)
        self.server.requests.append((f"{self.command} {self.path}", dict(self.headers)))
        self.close_connection = self.server.is_stopped or not self.server.keeps_connections
        if self.server.is_stopped:
            return
        if self.server.together:
            self.server.together.wait(60)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        key = f"{self.command} {path.removeprefix('/v1.41')}"
        status, body = self.server.answers.get(key, (404, b'{"message": "No such image"}'))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if self.server.is_silent:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n" % (len(body), body)
        else:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        if self.server.is_silent:
            self.server.is_over.wait(60)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        pass
