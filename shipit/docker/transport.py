"""HTTP requests to an engine. Connections are kept for the next request, whatever its path: through ssh each one is a login.

http.client sends them: its import takes a third of the time of Docker's SDK and the library requests.
"""

from __future__ import annotations

import errno
import http.client
import io
import json
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit

from shipit.docker.answer import root_cause, translated_errors
from shipit.docker.dial import dial_plain
from shipit.docker.response import BoundedResponse
from shipit.errors import BuildError
from shipit.http.connections import IDLE_S, configured, is_dropped, trusting
from shipit.http.response import read_piece
from shipit.http.tls import Tls

# One for each of the steps that are applied at once.
_MOST_KEPT = 16
_CONNECT_S = 10.0
_BLOCK = 256 * 1024
_HUNG_UP = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE})


class EngineRequest(NamedTuple):
    """One request. `json` is sent as JSON; `data` is bytes, a file, or an iterator of bytes.

    `limit_s` is for each read and write, and for the whole head of the answer.
    """

    method: str
    path: str
    limit_s: float | None
    params: Mapping[str, Any] = {}
    json: Any = None
    data: Any = None
    headers: Mapping[str, str] = {}

    @property
    def target(self) -> str:
        """The path with its query. Characters that a URL can't have are escaped."""
        query = urlencode({name: value for name, value in self.params.items() if value is not None}, doseq=True)
        return quote(self.path, safe="/:") + (f"?{query}" if query else "")

    @property
    def content(self) -> tuple[Any, dict[str, str]]:
        """The body, and the headers."""
        if self.json is not None:
            return json.dumps(self.json).encode(), {"Content-Type": "application/json", **self.headers}
        # http.client knows the length of bytes, but not that of a file.
        length = {} if (size := _size_of(self.data)) is None else {"Content-Length": str(size)}
        return self.data, {**length, **self.headers}


class Transport:
    """Connections to the engine at a unix:// or tcp:// address. Safe to use from several threads. `where` is named in errors.

    A connection that was idle for `idle_s` seconds is not used again.
    """

    def __init__(self, host: str, tls: Tls | None, where: str, idle_s: float = IDLE_S) -> None:
        self.where = where
        parts = urlsplit(host)
        is_local = host.startswith("unix://")
        self._host, self._base = host, "" if is_local else parts.path.rstrip("/")
        # Of the header Host.
        self._name, self._port = (
            "localhost" if is_local else parts.hostname or "localhost",
            None if is_local else parts.port,
        )
        self._tls = tls or (Tls() if parts.scheme == "https" else None)
        self._context: ssl.SSLContext | None = None
        self._idle_s = idle_s
        # Each with the time since which it is idle.
        self._kept: list[tuple[http.client.HTTPConnection, float]] = []
        self._is_closed = False
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._kept)

    def close(self) -> None:
        """Close the connections that are kept now, and those in use when they are given back."""
        with self._lock:
            self._is_closed = True
            _close_all(self._kept)

    def send(self, request: EngineRequest) -> EngineAnswer:
        """Send once; what only reads once more where a kept connection was lost, which the engine may have closed meanwhile.

        Raises: BuildError when the connection is lost, or nothing arrives in time.
        """
        if kept := self._take():
            try:
                return self._answered(kept, request)
            except BuildError as error:
                if request.method not in ("GET", "HEAD") or not isinstance(error.__context__, ConnectionError):
                    raise
        connect_s = min(request.limit_s or _CONNECT_S, _CONNECT_S)
        with translated_errors(self.where, None):
            connection = self._opened(connect_s)
        return self._answered(connection, request)

    def _answered(self, connection: http.client.HTTPConnection, request: EngineRequest) -> EngineAnswer:
        sock: socket.socket = connection.sock
        try:
            sock.settimeout(request.limit_s)
            with translated_errors(self.where, None):
                is_cut = self._sent(connection, request)
            with translated_errors(self.where, request.limit_s):
                response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        if is_cut:
            response.will_close = True
        return EngineAnswer(self, connection, sock, response, request.limit_s)

    def _sent(self, connection: http.client.HTTPConnection, request: EngineRequest) -> bool:
        """Send a request; True when the engine did not read all of it: its answer may say why. Raises: OSError."""
        body, headers = request.content
        try:
            sent = body if body is None or isinstance(body, bytes) else _pieces_of(body)
            connection.request(request.method, self._base + request.target, body=sent, headers=headers)
        except OSError as error:
            if error.errno not in _HUNG_UP or body is None:
                raise
            return True
        return False

    def _opened(self, connect_s: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._name, self._port or 80, blocksize=_BLOCK)
        connection.response_class = BoundedResponse
        connection.sock = dial_plain(self._host, connect_s, is_secure=self._tls is not None)
        if connection.sock.family != socket.AF_UNIX:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            try:
                name = self._tls.server_name or self._name
                connection.sock = self._trusted(self._tls).wrap_socket(connection.sock, server_hostname=name)
            except BaseException:
                connection.close()
                raise
        return connection

    def _trusted(self, tls: Tls) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = configured(trusting(tls.ca_file), tls)
                # Its sockets need no Pace: each wait has a limit of its own here.
                self._context.sslsocket_class = ssl.SSLSocket
            return self._context

    def _take(self) -> http.client.HTTPConnection | None:
        """A kept connection that the engine has not closed, and that is not too old."""
        while True:
            with self._lock:
                if not self._kept:
                    return None
                connection, since_s = self._kept.pop()
            if time.monotonic() - since_s < self._idle_s and not is_dropped(connection):
                return connection
            connection.close()

    def give(self, connection: http.client.HTTPConnection) -> None:
        """Give back a connection whose answer was read to its end."""
        with self._lock:
            if connection.sock is not None and len(self._kept) < _MOST_KEPT and not self._is_closed:
                self._kept.append((connection, time.monotonic()))
                return
        connection.close()


def _close_all(kept: list[tuple[http.client.HTTPConnection, float]]) -> None:
    for connection, _ in kept:
        connection.close()
    kept.clear()


class EngineAnswer:
    """An answer of any status, whose body is read when it is asked for. The connection is kept when it was read to its end."""

    def __init__(
        self,
        transport: Transport,
        connection: http.client.HTTPConnection,
        sock: socket.socket,
        response: http.client.HTTPResponse,
        limit_s: float | None,
    ) -> None:
        self.status_code: int = response.status
        self.headers: Mapping[str, str] = response.headers  # type: ignore[assignment]
        self._transport, self._connection, self._sock = transport, connection, sock
        self._response, self._limit_s, self._is_over = response, limit_s, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_over:
            self._is_over = True
            self._response.close()
            self._connection.close()

    def iter_content(self, amount: int) -> Iterator[bytes]:
        """The body as it arrives, in pieces of at most `amount` bytes. Raises: BuildError."""
        while not self._is_over and (data := self._read(amount)):
            yield data

    def limit_reads(self, limit_s: float) -> None:
        """Change the time limit of each read. After the end the connection may be that of another request."""
        if not self._is_over:
            self._limit_s = limit_s
            self._sock.settimeout(limit_s)

    def take_stream(self) -> tuple[socket.socket, io.BufferedReader]:
        """The connection, which is no longer HTTP, and a reader of what comes: http.client may have read ahead. Both end with the answer."""
        return self._sock, self._response.fp

    def _read(self, amount: int) -> bytes:
        with translated_errors(self._transport.where, self._limit_s):
            data = read_piece(self._response, amount, as_it_comes=True)
        if not data or self._response.isclosed():
            self._is_over = True
            self._response.close()
            if self._response.will_close:
                self._connection.close()
            else:
                self._transport.give(self._connection)
        return data


def _pieces_of(body: Any) -> Iterator[bytes]:
    """A file or an iterator in pieces. Raises: BuildError for one that can't be read, which is no error of the engine."""
    try:
        yield from iter(lambda: body.read(_BLOCK), b"") if hasattr(body, "read") else body
    except OSError as error:
        raise BuildError(f"can't read what the engine should get: {root_cause(error)}") from error


def _size_of(body: Any) -> int | None:
    """The number of bytes that a file still has; None for what is no file, or can't tell it."""
    if not hasattr(body, "read"):
        return None
    with suppress(OSError, AttributeError):
        here: int = body.tell()
        size: int = body.seek(0, io.SEEK_END) - here
        body.seek(here)
        return size
    return None
