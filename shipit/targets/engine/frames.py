"""The frames in which an engine sends stdout and stderr over one connection. Pure.

Source: Docker Engine API 1.41, POST /containers/{id}/attach, "Stream format"; moby, pkg/stdcopy: 3 is an error of the engine itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipit.errors import RemoteError
from shipit.targets.remote import Output

_HEADER = 8
# The kind of a frame in which the engine says why it can't send the output. It is shown as stderr.
ENGINE_ERROR = 3
_STDERR = 2


class Frames:
    """Divides what arrives. What has come of a frame is given on at once, however long it says to be."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._header = b""
        self._stream, self._left = 0, 0

    def take(self, data: bytes) -> Iterator[Output]:
        """Raises: RemoteError for what is no frame."""
        while data:
            if not self._left:
                wanted = _HEADER - len(self._header)
                self._header, data = self._header + data[:wanted], data[wanted:]
                if len(self._header) == _HEADER:
                    self._begin()
                continue
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            yield Output(self._stream, piece)

    def _begin(self) -> None:
        kind, padding, size = self._header[0], self._header[1:4], self._header[4:]
        if kind > ENGINE_ERROR or padding != b"\0\0\0":
            raise RemoteError("the engine sent something that is no frame of output", where=self._where)
        # Stream 0 is stdin: what the engine sends of it is output.
        self._stream, self._left = min(kind or 1, _STDERR), int.from_bytes(size, "big")
        self._header = b""


def frames(pieces: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """The streams (1 is stdout, 2 is stderr) in the answer to a request for the output of a container without a terminal.

    Source: Docker Engine API, POST /containers/{id}/attach, "Stream format".
    """
    data = b"".join(pieces)
    begin = 0
    while begin + _HEADER <= len(data):
        header = data[begin : begin + _HEADER]
        if header[0] > ENGINE_ERROR or header[1:4] != b"\0\0\0":
            # A container with a terminal has no frames.
            yield 1, data[begin:]
            return
        end = begin + _HEADER + int.from_bytes(header[4:], "big")
        yield min(header[0], _STDERR), data[begin + _HEADER : end]
        begin = end
