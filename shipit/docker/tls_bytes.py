"""TLS over a socket where one side may end its sending and still receive, which Python's SSLSocket can't.

Source: RFC 8446, section 6.1: close_notify ends one direction only.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from typing import Self

_PIECE = 64 * 1024


class TlsBytes:
    """The client's end. Each call waits as the socket does, until `without_waiting`. For one thread."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, name: str) -> None:
        """Raises: OSError, which errors of TLS are."""
        self._sock = sock
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=name)
        self._early = b""
        # Encrypted bytes that the socket has not taken yet.
        self._unsent = bytearray()
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_all()
                if not self._fill():
                    raise ConnectionResetError(errno.ECONNRESET, "the connection ended in the handshake") from None
            else:
                self._send_all()
                return

    def without_waiting(self, early: bytes) -> Self:
        """The same, where no call waits from now on. `early` was received already."""
        self._early = early
        self._sock.setblocking(False)
        return self

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def sendall(self, data: bytes) -> None:
        self._tls.write(data)
        self._send_all()

    def recv(self, amount: int) -> bytes:
        """Empty at the end. Raises: OSError; BlockingIOError where nothing has arrived."""
        while True:
            try:
                return self._tls.read(amount)
            except ssl.SSLWantReadError:
                if not self._fill():
                    return b""
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""

    def receive(self, amount: int) -> bytes | None:
        """At most `amount` bytes that have arrived: empty at the end, None when there are none now. Raises: OSError."""
        if self._early:
            data, self._early = self._early[:amount], self._early[amount:]
            return data
        try:
            return self.recv(amount)
        except BlockingIOError:
            return None

    def send(self, data: bytes) -> int:
        """Send bytes; the number that was taken, 0 while earlier ones are not sent. Raises: OSError."""
        self.flush()
        if self._unsent:
            return 0
        sent = self._tls.write(data)
        self.flush()
        return sent

    def flush(self) -> None:
        """Send what can be sent now. Raises: OSError."""
        self._unsent += self._to_send.read()
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent[:_PIECE])]

    def shutdown(self, how: int) -> None:
        """End the sending: what the other side sends can still be received. `how` is SHUT_WR."""
        # OpenSSL would drop what it finds when it sends close_notify: it is taken before.
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            while data := self._tls.read(_PIECE):
                self._early += data
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self.flush()

    def close(self) -> None:
        self._sock.close()

    def _fill(self) -> bool:
        """Take what has arrived; False at the end. Raises: BlockingIOError where the socket does not wait."""
        data = self._sock.recv(_PIECE)
        self._received.write(data) if data else self._received.write_eof()
        return bool(data)

    def _send_all(self) -> None:
        self._sock.sendall(self._to_send.read())
