"""A server on loopback that answers each path with what a test put there, headers of any kind included."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Served(NamedTuple):
    """`headers` are sent as they are, but for line breaks, which would end them."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, bytes] = {}


class Server(ThreadingHTTPServer):
    """`answers`: path without its query -> answer; `*` is every other path, 404 where it is not there."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Served] = {}

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no matter."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answers, path = self.server.answers, self.path.partition("?")[0]
        answer = answers.get(path) or answers.get("*") or Served(404)
        lines = [f"HTTP/1.1 {answer.status} Said".encode(), b"Content-Length: %d" % len(answer.body)]
        lines += [name.encode() + b": " + _one_line(value) for name, value in answer.headers.items()]
        sends_body = self.command != "HEAD" and answer.status not in (204, 304)
        self.wfile.write(b"\r\n".join([*lines, b"", answer.body if sends_body else b""]))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def _one_line(value: bytes) -> bytes:
    return value.replace(b"\r", b"").replace(b"\n", b"")


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
