"""Sockets that check the Pace of their request before each wait."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

from shipit.http.pace import Pace

_BLOCK = 1024 * 1024


class PacedSocket(socket.socket):
    """A TCP socket. `pace` is set before each request on it."""

    pace: Pace

    def recv_into(self, *arguments: Any) -> int:
        return _paced(self, lambda: socket.socket.recv_into(self, *arguments))

    def recv(self, *arguments: Any) -> bytes:
        return _received(self, lambda: socket.socket.recv(self, *arguments))

    def sendall(self, data: Any, *flags: int) -> None:
        with memoryview(data) as view, view.cast("B") as octets:
            sent = 0
            while sent < len(octets):
                sent += self._send(octets[sent : sent + _BLOCK], *flags)

    def _send(self, piece: memoryview, *flags: int) -> int:
        return _paced(self, lambda: socket.socket.send(self, piece, *flags))


class PacedTlsSocket(ssl.SSLSocket):
    """The same with TLS; the `sslsocket_class` of a context. `sendall` of SSLSocket calls `send`."""

    pace: Pace

    def do_handshake(self, block: bool = False) -> None:
        def shake() -> int:
            ssl.SSLSocket.do_handshake(self, block)
            return 0

        _paced(self, shake)

    def recv_into(self, *arguments: Any) -> int:
        return _paced(self, lambda: ssl.SSLSocket.recv_into(self, *arguments))

    def recv(self, *arguments: Any) -> bytes:
        return _received(self, lambda: ssl.SSLSocket.recv(self, *arguments))

    def send(self, data: Any, flags: int = 0) -> int:
        return _paced(self, lambda: ssl.SSLSocket.send(self, data, flags))


def _paced(sock: PacedSocket | PacedTlsSocket, call: Callable[[], int]) -> int:
    def once(seconds: float) -> int | None:
        # Setting it is a system call; it is the same for nearly every wait.
        if sock.gettimeout() != seconds:
            sock.settimeout(seconds)
        try:
            return call()
        except TimeoutError:
            return None

    return sock.pace.wait(once)


def _received(sock: PacedSocket | PacedTlsSocket, call: Callable[[], bytes]) -> bytes:
    data = b""

    def once() -> int:
        nonlocal data
        data = call()
        return len(data)

    _paced(sock, once)
    return data


def open_socket(host: str, port: int, pace: Pace, connect_s: float, *, is_proxy: bool = False) -> PacedSocket:
    """A connection to the first address of a host that accepts one; each is tried for at most `connect_s` seconds.

    Raises: OSError, and as `Pace.wait` does.
    """
    error: OSError = OSError(errno.EHOSTUNREACH, "the name has no address")
    for family, address in _addresses(host, port, pace):
        if not is_proxy:
            pace.check_address(host, str(address[0]))
        pace.connecting(connect_s)
        try:
            return _connected(family, address, pace)
        except OSError as refused:
            error = refused
    raise error


def secure(sock: PacedSocket, context: ssl.SSLContext, host: str, pace: Pace, connect_s: float) -> PacedTlsSocket:
    """The same connection with TLS, after the handshake. Raises: OSError, and as `Pace.wait` does."""
    pace.connecting(connect_s)
    try:
        secured = context.wrap_socket(sock, server_hostname=_plain(host), do_handshake_on_connect=False)
    except BaseException:
        sock.close()
        raise
    assert isinstance(secured, PacedTlsSocket)
    secured.pace = pace
    try:
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


def _addresses(host: str, port: int, pace: Pace) -> Iterator[tuple[int, Any]]:
    rows: list[Any] = []
    try:
        rows = socket.getaddrinfo(_plain(host), port, 0, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        rows = _resolved(host, port, pace)
    for family, _, _, _, address in rows:
        yield family, address


def _plain(host: str) -> str | bytes:
    """The host as bytes where it is ASCII: for text, Python imports the codec idna at every start."""
    return host.encode("ascii") if host.isascii() else host


def _resolved(host: str, port: int, pace: Pace) -> list[Any]:
    """The addresses of a name. The system's resolver has no time limit, so it runs on another thread."""
    found: list[Any] = []
    is_over = threading.Event()

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(_plain(host), port, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)
        is_over.set()

    pace.begin(f"the address of {host}")
    threading.Thread(target=ask, daemon=True, name=f"resolve {host}").start()
    pace.wait(lambda seconds: 0 if is_over.wait(seconds) else None)
    if isinstance(found[0], Exception):
        raise found[0]
    return list(found[0])


def _connected(family: int, address: Any, pace: Pace) -> PacedSocket:
    sock = PacedSocket(family, socket.SOCK_STREAM)
    sock.pace = pace
    try:
        sock.setblocking(False)
        code = sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR):
            raise OSError(code, os.strerror(code))
        pace.wait(lambda seconds: _is_writable(sock, seconds))
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_writable(sock: socket.socket, seconds: float) -> int | None:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return 0 if poll.poll(seconds * 1000) else None
