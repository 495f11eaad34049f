"""A connection that HTTP has upgraded to another protocol: bytes in both directions, without waiting.

Source: RFC 9110, section 7.8 (Upgrade).
"""

from __future__ import annotations

import errno
import http.client
import ssl
from collections.abc import Callable
from socket import socket
from typing import Any

from shipit.http.sockets import PacedSocket, PacedTlsSocket


class RawConnection:
    """A connection for select: no method waits. `early` was received already. For one thread."""

    def __init__(self, sock: PacedSocket | PacedTlsSocket, early: bytes = b"") -> None:
        self._sock = sock
        self._early = early
        sock.setblocking(False)
        # The methods of the base classes: those of the paced sockets wait.
        base: Any = ssl.SSLSocket if isinstance(sock, ssl.SSLSocket) else socket
        self._recv: Callable[[Any, int], bytes] = base.recv
        self._send: Callable[[Any, bytes | memoryview], int] = base.send

    def fileno(self) -> int:
        return self._sock.fileno()

    def receive(self, amount: int) -> bytes | None:
        """What has arrived, at most so many bytes: empty at the end, None when there is nothing now. Raises: OSError."""
        if self._early:
            data, self._early = self._early[:amount], self._early[amount:]
            return data
        try:
            return self._recv(self._sock, amount)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def send(self, data: bytes | memoryview) -> int:
        """How many bytes were taken; 0 when none can be now. Raises: OSError."""
        try:
            return self._send(self._sock, data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    def close(self) -> None:
        self._sock.close()


class Upgraded:
    """The body of an answer 101: it has none, and its connection can be taken."""

    def __init__(self, response: http.client.HTTPResponse, sock: PacedSocket | PacedTlsSocket) -> None:
        self._response = response
        self._sock: PacedSocket | PacedTlsSocket | None = sock

    def read(self, amount: int) -> bytes:
        return b""

    def close(self) -> None:
        self._response.close()
        if self._sock is not None:
            self._sock.close()

    def take(self) -> RawConnection:
        """The connection, with the bytes that came together with the head of the answer."""
        assert self._sock is not None and self._response.fp is not None
        sock, self._sock = self._sock, None
        sock.pace = _NeverWait()  # type: ignore[assignment]
        early = self._response.fp.peek()
        taken = RawConnection(sock, early)
        self._response.close()
        return taken


class _NeverWait:
    """A pace under which a read gives what is buffered already."""

    def wait(self, waiting: Callable[[float], int | None]) -> int:
        raise BlockingIOError(errno.EAGAIN, "nothing is waited for")
