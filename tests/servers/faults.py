"""A proxy before a server that breaks one request: before the server saw it, or after it has done it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_BODIES = {401: b"{}", 404: b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}', 413: b"<html>too large</html>"}


@dataclass(frozen=True)
class Fault:
    """`kind` is a status, `reset`, `timeout` or `truncated`; `is_late` breaks the answer to what was done."""

    kind: str
    is_late: bool = False


class FaultProxy:
    """Listens on `host` for a server at `upstream`; the request at `index` (from 0) meets `fault`. `pause_s` slows all; `seen` are all their lines.

    `done` is called with the line of each request that the server has done, before its answer is passed on.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.fault: Fault | None = None
        self.index = -1
        self.count = 0
        self.pause_s = 0.0
        self.met = ""
        self.largest = 0
        self.seen: list[str] = []
        self.done: Callable[[str], None] = lambda line: None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            left = tuple(self._open)
        for connection in left:
            # A client that keeps its connections, such as an engine, would keep a thread of ours as well.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def begin(self, index: int, fault: Fault | None) -> None:
        with self._lock:
            self.index, self.fault, self.count, self.met = index, fault, 0, ""

    def _due(self, line: str) -> Fault | None:
        with self._lock:
            self.count += 1
            self.seen.append(line)
            if self.fault is None or self.count - 1 != self.index:
                return None
            self.met = line
            return self.fault

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with proxy._lock:
                    proxy._open.add(self.connection)

            def _any(self) -> None:
                time.sleep(proxy.pause_s)
                length = int(self.headers.get("Content-Length") or 0)
                fault = proxy._due(f"{self.command} {self.path}")
                body = self.rfile.read(length)
                if len(body) < length:
                    # The client gave up: the server would wait for the rest.
                    self.close_connection = True
                    return None
                if 0 < proxy.largest < length:
                    return self._status(413, b"<html>too large</html>")
                if fault is not None and not fault.is_late:
                    return self._break(fault, None)
                answer, data = self._forwarded(body)
                proxy.done(f"{self.command} {self.path}")
                if fault is not None:
                    return self._break(fault, data)
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                        self.send_header(name, value)
                known = answer.getheader("Content-Length")
                self.send_header("Content-Length", known if known is not None else str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return None

            def _forwarded(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
                connection = http.client.HTTPConnection(proxy.upstream, timeout=30)
                names = dict.fromkeys(name.lower() for name in self.headers if name.lower() != "connection")
                headers = {name: ", ".join(self.headers.get_all(name) or []) for name in names}
                connection.request(self.command, self.path, body=body or None, headers=headers)
                answer = connection.getresponse()
                data = answer.read()
                connection.close()
                return answer, data

            def _status(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def _break(self, fault: Fault, data: bytes | None) -> None:
                self.close_connection = True
                if fault.kind.isdigit():
                    status = int(fault.kind)
                    more = {"Retry_After": "1"} if status == 429 else {}
                    if status == 401:
                        more = {"WWW_Authenticate": 'Basic realm="other"'}
                    self._status(status, _BODIES.get(status, b"oops"), **more)
                elif fault.kind == "truncated":
                    self.send_response(200)
                    self.send_header("Content-Length", "5000")
                    self.end_headers()
                    self.wfile.write(b"{")
                elif fault.kind == "timeout":
                    time.sleep(1.2)
                else:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any

            def finish(self) -> None:
                with proxy._lock:
                    proxy._open.discard(self.connection)
                try:
                    super().finish()
                except OSError:
                    return

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler
