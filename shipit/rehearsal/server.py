"""A small strict HTTP server: routes by pattern, every request noted, anything unknown refused."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

_CHUNK = 64 * 1024


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
    """Serves routes on a free loopback port from `start` to `stop`. `log` holds (method, path) of every request."""

    def __init__(self) -> None:
        self.routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self.log: list[tuple[str, str]] = []
        self.unknown: list[tuple[str, str]] = []
        self.http_server: ThreadingHTTPServer | None = None

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

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        assert self.http_server is not None, "not started"
        return f"127.0.0.1:{self.http_server.server_address[1]}"

    def start(self) -> Self:
        self.http_server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"strict": self}))
        self.http_server.daemon_threads = True
        threading.Thread(target=self.http_server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        if self.http_server:
            self.http_server.shutdown()
            self.http_server.server_close()
            self.http_server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


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
        self._send(self.strict.answer(request))
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
