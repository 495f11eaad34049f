"""Messages of a WebSocket over an upgraded connection.

Source: RFC 6455; its section 4 is the handshake, section 5.6 the data frames.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence

from shipit.errors import RemoteError
from shipit.http.frames import (
    BINARY,
    CLOSE,
    CONTINUED,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    InvalidFrame,
    TooLong,
    masked_frame,
)
from shipit.http.messages import Answer, Request
from shipit.http.upgraded import RawConnection

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LARGEST_FRAME = 4 * 1024 * 1024
_PIECE = 64 * 1024
# So much may wait to be sent before `is_full`; so many frames are read before others get a turn.
_MOST_UNSENT, _TURN = 256 * 1024, 64
# How often an idle connection is tried, and how long after a ping it may be silent.
PING_S, SILENCE_S = 10.0, 60.0
# A server that has not read so many bytes may be waiting for its program: a ping is behind them.
_IN_FLIGHT = 32 * 1024


def open_websocket(send: Callable[[Request], Answer], request: Request, protocols: Sequence[str]) -> WebSocket | Answer:
    """The WebSocket that a server agrees to, or its other answer.

    Raises: RemoteError for an answer 101 that is no agreement, and as `send` does.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": ", ".join(protocols),
    }
    answer = send(request.adding(headers)._replace(upgrades=True, stream=True))
    if answer.status != 101:
        return answer
    wanted = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
    protocol = answer.header("Sec-WebSocket-Protocol")
    if (
        answer.header("Upgrade").lower() != "websocket"
        or answer.header("Sec-WebSocket-Accept") != wanted
        or protocol not in protocols
    ):
        with answer:
            hint = "another version of the server, or a proxy in between, may have changed the answer"
            raise RemoteError("the answer should open a WebSocket", where=request.shown, hint=hint)
    return WebSocket(answer.take_connection(), protocol, request.shown)


class WebSocket:
    """Messages in both directions. For one thread: no method waits, `fileno` is for select."""

    def __init__(self, connection: RawConnection, protocol: str, where: str) -> None:
        self.protocol = protocol
        self.where = where
        self.is_over = False
        self._connection = connection
        self._frames = FrameReader(LARGEST_FRAME)
        self._unsent = bytearray()
        self._heard_s = self._tried_s = time.monotonic()
        # When the first ping was sent since something was received.
        self._asked_s: float | None = None
        # Bytes that were given to send, and so many of them as the server has read: a pong repeats the number of its ping.
        self._given = self._read = 0
        self.has_more = False

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def is_full(self) -> bool:
        """Whether no more should be sent for now."""
        return len(self._unsent) >= _MOST_UNSENT

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def send(self, message: bytes) -> None:
        """Queue a message; `flush` sends it."""
        self._given += len(message)
        self._queue(message, BINARY)

    def flush(self) -> None:
        """Send what can be sent now. Raises: RemoteError."""
        while self._unsent and not self.is_over:
            try:
                sent = self._connection.send(memoryview(self._unsent)[:_PIECE].tobytes())
            except OSError as error:
                raise self._lost(error.strerror or "") from None
            if not sent:
                return
            del self._unsent[:sent]

    def keep_alive(self) -> None:
        """Ping an idle server. `receive` fails when it answers nothing at all."""
        now_s = time.monotonic()
        if now_s - max(self._heard_s, self._tried_s) > PING_S:
            self._tried_s = now_s
            self._asked_s = self._asked_s or now_s
            self._queue(b"%d" % self._given, PING)

    def receive(self) -> Iterator[tuple[bytes, bool]]:
        """Data that has arrived, and whether it begins a message. Sets `is_over` at the end. Raises: RemoteError."""
        self.has_more = False
        for _ in range(_TURN):
            if self.is_over or (frame := self._next()) is None:
                self._check_heard()
                return
            if frame.opcode in (TEXT, BINARY, CONTINUED):
                yield frame.data, frame.opcode != CONTINUED
            elif frame.opcode == PING and not self.is_full:
                self._queue(frame.data[:125], PONG)
            elif frame.opcode == PONG and frame.data.isdigit() and len(frame.data) < 20:
                self._read = min(self._given, int(frame.data))
            elif frame.opcode == CLOSE:
                self.is_over = True
                return
        self.has_more = True

    def close(self) -> None:
        self.is_over = True
        self._connection.close()

    def _check_heard(self) -> None:
        """Called when nothing is left to receive: this process may have been stopped, or its output, for minutes."""
        if self.is_over or self._given - self._read > _IN_FLIGHT:
            return
        if self._asked_s and time.monotonic() - self._asked_s > SILENCE_S:
            raise self._lost(f"no answer for {SILENCE_S:.0f} s")

    def _next(self) -> Frame | None:
        """The next frame; None when there is none yet, or no more. Raises: RemoteError."""
        try:
            while (frame := self._frames.next()) is None:
                if not self._take():
                    return None
        except OSError as error:
            raise self._lost(error.strerror or "") from None
        except TooLong:
            what = f"a frame of the WebSocket is longer than {LARGEST_FRAME} bytes"
            raise RemoteError(what, where=self.where) from None
        except InvalidFrame:
            raise RemoteError("a frame of the WebSocket is not valid", where=self.where) from None
        return frame

    def _take(self) -> bool:
        """True when more bytes had arrived. Sets `is_over` at the end. Raises: OSError."""
        data = self._connection.receive(_PIECE)
        if data is None:
            return False
        if not data:
            self.is_over = True
            return False
        self._heard_s, self._asked_s = time.monotonic(), None
        self._frames.add(data)
        return True

    def _queue(self, data: bytes, opcode: int) -> None:
        self._unsent += masked_frame(data, opcode, os.urandom(4))

    def _lost(self, why: str) -> RemoteError:
        what = f"the connection was lost{f': {why.lower()}' if why else ''}"
        return RemoteError(what, where=self.where, hint="check the network", retryable=True)
