"""A command in a container over a WebSocket: the channels of exec and attach.

Source: Kubernetes, `k8s.io/apimachinery/pkg/util/remotecommand` (channels 0 to 4; in v5 also 255, which closes one),
KEP-4006; `v1.Status` on the channel of errors, with the reason NonZeroExitCode and the cause ExitCode.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.http.websocket import WebSocket
from shipit.json_text import parse_json
from shipit.targets.remote import Output, Size

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)
_INPUT, _OUTPUT, _ERRORS, _STATUS, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_PIECE = 32 * 1024
_LARGEST_STATUS = 256 * 1024
# How long the rest of a status may take that is not whole.
_CLOSE_S = 2.0


class Channels:
    """A command in a container, connected. `where` is the pod."""

    def __init__(self, socket: WebSocket, where: str) -> None:
        self.where = where
        self.socket = socket
        self._status = bytearray()
        self._ended_s: float | None = None
        # The channel of the message that is being received.
        self._channel = -1

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def is_over(self) -> bool:
        """Whether the status is there, which is the last message: a server may close the connection much later.

        A status that is not JSON is waited for until the server closes, or for _CLOSE_S seconds.
        """
        if self.socket.is_over or self._ended_s is None:
            return self.socket.is_over
        return self._parsed() is not None or time.monotonic() - self._ended_s > _CLOSE_S

    @property
    def has_more(self) -> bool:
        return self.socket.has_more

    @property
    def has_unsent(self) -> bool:
        return self.socket.has_unsent

    @property
    def is_full(self) -> bool:
        return self.socket.is_full

    def receive(self) -> Iterator[Output]:
        for data, is_first in self.socket.receive():
            if is_first:
                self._channel, data = (data[0], data[1:]) if data else (-1, b"")
            if self._channel in (_OUTPUT, _ERRORS):
                if data:
                    yield Output(self._channel, data)
            elif self._channel == _STATUS:
                self._status += data
                self._ended_s = time.monotonic()
            elif data and self._channel != _CLOSE:
                raise self._wrong(f"data on channel {self._channel}")
            if len(self._status) > _LARGEST_STATUS:
                raise self._wrong(f"a status of more than {_LARGEST_STATUS} bytes")

    def flush(self) -> None:
        self.socket.keep_alive()
        self.socket.flush()

    def give(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            self.socket.send(bytes([_INPUT]) + data[start : start + _PIECE])

    def end_input(self) -> None:
        if self.socket.protocol != V5:
            hint = "give it no input: < /dev/null"
            what = "this API server can't pass on the end of the input, which needs Kubernetes 1.30"
            raise RemoteError(what, where=self.socket.where, hint=hint)
        self.socket.send(bytes([_CLOSE, _INPUT]))

    def resize(self, size: Size) -> None:
        self.socket.send(bytes([_RESIZE]) + json.dumps({"Width": size.columns, "Height": size.rows}).encode())

    def result(self) -> int:
        if not self._status:
            raise RemoteError("the connection ended before the command", where=self.socket.where, retryable=True)
        if (status := self._parsed()) is None:
            raise self._wrong("a status that is not JSON")
        return parse_result(status)

    def close(self) -> None:
        self.socket.close()

    def _parsed(self) -> Field | None:
        """The status; None while it is no whole JSON."""
        try:
            return Field(parse_json(bytes(self._status)), self.socket.where)
        except ValueError:
            return None

    def _wrong(self, what: str) -> RemoteError:
        return RemoteError(f"the server sent {what}", where=self.socket.where)


def parse_result(status: Field) -> int:
    """The exit code in a Status. Raises: RemoteError when the command was not run."""
    if status["status"].text() == "Success":
        return 0
    if status["reason"].text() == "NonZeroExitCode":
        for cause in status["details"]["causes"].rows():
            text = cause["message"].text()
            if cause["reason"].text() == "ExitCode" and text.isascii() and text.isdigit() and len(text) < 10:
                return int(text)
    what = status["message"].text() or "the command could not be run"
    raise RemoteError(what, where=status.where, hint="check that the image has this program")
