"""A connection to an engine, or to a port of its machine, below HTTP."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

from shipit.clock import Clock
from shipit.docker.tls_bytes import TlsBytes
from shipit.errors import RemoteError
from shipit.http.connections import configured, trusting
from shipit.http.sockets import PacedSocket
from shipit.http.tls import Tls
from shipit.http.upgraded import RawConnection

_TLS_PORT, _PORT = 2376, 2375
# The pause before the next try where the queue of a socket is full, in seconds.
_FULL_S = 0.01
# A connection without traffic is probed after so many seconds and as often again; it is lost where no probe of these is answered.
_PROBE_S, _PROBES = 30, 3


def dial_plain(host: str, timeout_s: float, *, is_secure: bool = False) -> socket.socket:
    """A connection to the engine at a unix:// or tcp:// address, without TLS. `is_secure` is for its default port. Raises: OSError."""
    if host.startswith("unix://"):
        local = socket.socket(socket.AF_UNIX)
        local.settimeout(timeout_s)
        try:
            _connect_local(local, host.removeprefix("unix://"), timeout_s)
        except BaseException:
            local.close()
            raise
        return local
    parts = urlsplit(host)
    port = parts.port or (_TLS_PORT if is_secure else _PORT)
    connection = socket.create_connection((parts.hostname or "", port), timeout_s)
    _probe(connection)
    return connection


def _probe(connection: socket.socket) -> None:
    """Have TCP find out that the other side is gone: a log that is only read would stay silent for ever.

    Source: tcp(7) of Linux; macOS calls the seconds before the first probe TCP_KEEPALIVE.
    """
    values = {"TCP_KEEPIDLE": _PROBE_S, "TCP_KEEPALIVE": _PROBE_S, "TCP_KEEPINTVL": _PROBE_S, "TCP_KEEPCNT": _PROBES}
    # A connection that is closed already takes no options on macOS: its first use says so.
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in values.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _connect_local(local: socket.socket, path: str, timeout_s: float) -> None:
    """Connect to a unix socket. Linux refuses at once where the queue of a socket is full, which it is for a moment only."""
    clock = Clock()
    end_s = clock.now() + timeout_s
    while True:
        try:
            local.connect(path)
            return
        except BlockingIOError:
            if clock.now() > end_s:
                raise
            clock.sleep(_FULL_S)


def dial(host: str, tls: Tls | None, timeout_s: float) -> socket.socket | TlsBytes:
    """A connection to the engine at a unix:// or tcp:// address, which waits `timeout_s` for each step. Raises: OSError."""
    is_secure = tls is not None or host.startswith("https://")
    plain = dial_plain(host, timeout_s, is_secure=is_secure)
    if not is_secure:
        return plain
    try:
        settings = tls or Tls()
        context = configured(trusting(settings.ca_file), settings)
        return TlsBytes(plain, context, settings.server_name or urlsplit(host).hostname or "")
    except BaseException:
        plain.close()
        raise


class ByteStream:
    """Bytes in both directions over a connected socket. For one thread: no method waits, `fileno` is for select."""

    # So much may wait to be sent before `is_full`; so much is received before others get a turn.
    _MOST_UNSENT, _PIECE, _TURN = 256 * 1024, 64 * 1024, 16

    def __init__(self, sock: socket.socket | TlsBytes, where: str, early: bytes = b"") -> None:
        self.where = where
        self.is_over = False
        self._sock = sock
        self._connection: RawConnection | TlsBytes
        if isinstance(sock, TlsBytes):
            self._connection = sock.without_waiting(early)
        else:
            # It needs no pace: nothing here waits.
            self._connection = RawConnection(cast("PacedSocket", sock), early)
        self._unsent = bytearray()
        self._ends = False
        self.has_more = bool(early)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent) or (isinstance(self._connection, TlsBytes) and self._connection.has_unsent)

    @property
    def is_full(self) -> bool:
        return len(self._unsent) > self._MOST_UNSENT

    def receive(self) -> list[bytes]:
        """The bytes that have arrived. Raises: RemoteError."""
        found: list[bytes] = []
        self.has_more = False
        for _ in range(self._TURN):
            try:
                data = self._connection.receive(self._PIECE)
            except OSError as error:
                raise self._lost(error) from None
            if data is None:
                return found
            if not data:
                self.is_over = True
                return found
            found.append(data)
        self.has_more = True
        return found

    def give(self, data: bytes) -> None:
        self._unsent += data

    def flush(self) -> None:
        """Send what can be sent now. Raises: RemoteError."""
        try:
            while self._unsent:
                sent = self._connection.send(memoryview(self._unsent)[: self._PIECE].tobytes())
                if not sent:
                    return
                del self._unsent[:sent]
            if self._ends:
                self._ends = False
                self._sock.shutdown(socket.SHUT_WR)
            if isinstance(self._connection, TlsBytes):
                self._connection.flush()
        except OSError as error:
            # The other side may have ended, with output that is still to be read.
            if not isinstance(error, BrokenPipeError | ConnectionResetError):
                raise self._lost(error) from None
            self._unsent.clear()

    def end_input(self) -> None:
        """End what is sent, when all of it is. Raises: RemoteError."""
        self._ends = True
        self.flush()

    def close(self) -> None:
        self._connection.close()

    def _lost(self, error: OSError) -> RemoteError:
        what = f"the connection was lost: {(error.strerror or str(error)).lower()}"
        return RemoteError(what, where=self.where, retryable=True)
