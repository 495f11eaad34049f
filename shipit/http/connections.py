"""Connections kept open between requests, by scheme, host and port."""

from __future__ import annotations

import http.client
import select
import ssl
import threading
import time
import weakref
from pathlib import Path

from shipit.files import MIB, read_file
from shipit.http.pace import Pace
from shipit.http.response import Response
from shipit.http.sockets import PacedSocket, PacedTlsSocket, open_socket, secure
from shipit.http.tls import Tls

_IDLE_PER_HOST = 16
# Load balancers drop connections that were idle for some minutes, without closing them.
IDLE_S = 60.0
# Bodies are read and sent in pieces of this size; http.client's default of 8 KiB is slow with large layers.
_BLOCK = 256 * 1024
Place = tuple[str, str, int]
_Idle = tuple[http.client.HTTPConnection, float]
_LARGEST_BUNDLE = 16 * MIB


class Connections:
    """A pool of connections. Safe to use from several threads. `ca_bundle` replaces certifi's certificates: a file or a folder.

    A connection that was idle for `idle_s` seconds is not reused. `tls` is for a pool of connections to one server.
    `proxy` is the URL of a proxy to connect through.
    """

    def __init__(
        self, ca_bundle: str | None, idle_s: float = IDLE_S, tls: Tls | None = None, proxy: str | None = None
    ) -> None:
        self._ca_bundle = ca_bundle
        self._proxy = proxy
        self._tls = tls or Tls()
        self._idle_s = idle_s
        self._idle: dict[Place, list[_Idle]] = {}
        self._trust: ssl.SSLContext | None = None
        self._is_closed = False
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close idle connections now, and those in use when they are given back."""
        with self._lock:
            self._is_closed = True
            _close_all(self._idle)
            self._idle.clear()

    def take(self, place: Place, pace: Pace, connect_s: float) -> http.client.HTTPConnection:
        """A connection for one request: an idle one that the server has not closed, or a new one.

        Raises: OSError, and as `Pace.wait` does.
        """
        while (idle := self._pop(place)) is not None:
            connection, since_s = idle
            if time.monotonic() - since_s < self._idle_s and not is_dropped(connection):
                connection.sock.pace = pace  # type: ignore[union-attr]
                return connection
            connection.close()
        _, host, port = place
        connection = http.client.HTTPConnection(host, port, blocksize=_BLOCK)
        connection.response_class = Response
        connection.sock = self.connect(place, pace, connect_s)
        return connection

    def give(self, place: Place, connection: http.client.HTTPConnection) -> None:
        """Give back a connection whose answer was read to its end."""
        with self._lock:
            idle = self._idle.setdefault(place, [])
            if connection.sock is not None and len(idle) < _IDLE_PER_HOST and not self._is_closed:
                idle.append((connection, time.monotonic()))
                return
        connection.close()

    def _pop(self, place: Place) -> _Idle | None:
        with self._lock:
            idle = self._idle.get(place)
            return idle.pop() if idle else None

    def connect(self, place: Place, pace: Pace, connect_s: float) -> PacedSocket | PacedTlsSocket:
        """A new connection, which is not given back. Raises: OSError, and as `Pace.wait` does."""
        scheme, host, port = place
        context = None if scheme == "http" else self._trusted()
        plain = self._opened(host, port, pace, connect_s)
        return plain if context is None else secure(plain, context, self._tls.server_name or host, pace, connect_s)

    def _opened(self, host: str, port: int, pace: Pace, connect_s: float) -> PacedSocket:
        if self._proxy is None:
            return open_socket(host, port, pace, connect_s)
        from shipit.http.connect_proxy import open_through

        return open_through(self._proxy, host, port, pace, connect_s)

    def _trusted(self) -> ssl.SSLContext:
        with self._lock:
            if self._trust is None:
                self._trust = configured(trusting(self._tls.ca_file or self._ca_bundle), self._tls)
            return self._trust


def _close_all(idle: dict[Place, list[_Idle]]) -> None:
    for kept in idle.values():
        for connection, _ in kept:
            connection.close()


def check_bundle(ca_bundle: str) -> None:
    """Check that a file of certificates can be read: OpenSSL would block on a named pipe.

    Raises: Unreadable.
    """
    if not Path(ca_bundle).is_dir():
        read_file(ca_bundle, max_bytes=_LARGEST_BUNDLE)


def trusting(ca_bundle: str | None) -> ssl.SSLContext:
    """A TLS context that trusts the certificates of a file or folder, or certifi's. Raises: OSError where there are none."""
    if ca_bundle is None:
        import certifi

        ca_bundle = certifi.where()
    file = Path(ca_bundle)
    if not file.exists():
        raise FileNotFoundError(2, "the file of trusted certificates does not exist", ca_bundle)
    is_folder = file.is_dir()
    check_bundle(ca_bundle)
    try:
        context = ssl.create_default_context(
            cafile=None if is_folder else ca_bundle, capath=ca_bundle if is_folder else None
        )
    except ssl.SSLError:
        raise OSError(22, "holds no certificates", ca_bundle) from None
    context.sslsocket_class = PacedTlsSocket
    context.set_alpn_protocols(["http/1.1"])
    return context


def configured(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    """The same context, with our client certificate, and with or without verification. Raises: OSError."""
    if not tls.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file is not None:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file, lambda: "")
        except (ssl.SSLError, ValueError):
            raise OSError(22, "is not a certificate with its key", tls.cert_file) from None
    return context


def is_dropped(connection: http.client.HTTPConnection) -> bool:
    """Whether an idle connection has something to read: its end, or data without a request."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
