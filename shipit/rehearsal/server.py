"""A small strict HTTP server: routes by pattern, every request noted, anything unknown refused."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

_CHUNK = 64 * 1024
# How long a request that is being answered may take to end when the server stops, in seconds.
_LEAVING_S = 2.0


@dataclass(frozen=True)
class Request:
    """What was asked. `headers` have lower-case names; `groups` are the pattern's."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """What is answered; an iterable body is streamed in chunks."""

    status: int
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Response]


class StrictServer:
    """Serves routes on a free port of `address` from `start` to `stop`. `log` holds (method, path) of every request."""

    address = "127.0.0.1"

    def __init__(self) -> None:
        self.routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self.log: list[tuple[str, str]] = []
        self.unknown: list[tuple[str, str]] = []
        # How much longer each answer takes, and when every request came and was answered.
        self.latency_s = 0.0
        self.spans: list[tuple[float, float]] = []
        self.http_server: _Server | None = None

    def route(self, method: str, pattern: str, handler: Handler) -> None:
        self.routes.append((method, re.compile(pattern), handler))

    def refuse(self, request: Request) -> Response:
        """The answer to a request that no route takes."""
        return Response(404, b"unknown route\n")

    def answer(self, request: Request) -> Response:
        """Find the route and call it."""
        self.log.append((request.method, request.path))
        for method, pattern, handler in self.routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                groups = {key: value or "" for key, value in match.groupdict().items()}
                return handler(
                    Request(request.method, request.path, request.query, request.headers, request.body, groups)
                )
        self.unknown.append((request.method, request.path))
        return self.refuse(request)

    def timed_answer(self, request: Request) -> Response:
        """The answer, after the latency."""
        came = time.monotonic()
        if self.latency_s:
            time.sleep(self.latency_s)
        answer = self.answer(request)
        self.spans.append((came, time.monotonic()))
        return answer

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, or another address."""
        assert self.http_server is not None, "not started"
        return f"{self.address}:{self.http_server.server_address[1]}"

    def start(self) -> Self:
        self.http_server = _Server((self.address, 0), type("Bound", (_Handler,), {"strict": self}))
        serve = partial(self.http_server.serve_forever, poll_interval=0.05)
        self._serving = threading.Thread(target=serve, daemon=True, name=type(self).__name__)
        self._serving.start()
        return self

    def stop(self) -> None:
        if self.http_server:
            self.http_server.shutdown()
            self.http_server.server_close()
            self._serving.join(_LEAVING_S)
            self.http_server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    """Its connections, and the threads that serve them, end with it."""

    daemon_threads = True
    # With the 5 of socketserver, a client that opens many connections at once waits seconds until the kernel sends again.
    request_queue_size = 1024

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open[threading.current_thread()] = request
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[threading.current_thread()]

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            left = dict(self._open)
        for connection in left.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in left:
            thread.join(_LEAVING_S)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    strict: StrictServer

    def log_message(self, format: str, *args: object) -> None:
        """Requests are noted in `log`, not printed."""

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            return

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
            return
        if not self.parse_request():
            return
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            {key.lower(): ", ".join(self.headers.get_all(key, [])) for key in self.headers},
            self._body(),
        )
        self._send(self.strict.timed_answer(request))
        self.wfile.flush()

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for key, value in response.headers.items():
            self.send_header(key, value)
        if isinstance(response.body, bytes):
            if "Content-Length" not in response.headers:
                self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in response.body:
            if chunk:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
