"""Frames of a WebSocket as bytes. Pure.

Source: RFC 6455, section 5.2 (the form of a frame), 5.3 (masks), 5.4 and 5.5 (control frames).
"""

from __future__ import annotations

from typing import NamedTuple

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_OPCODES = (CONTINUED, TEXT, BINARY, CLOSE, PING, PONG)
_FINAL, _RESERVED, _MASKED = 0x80, 0x70, 0x80
# Lengths in one byte; these two say that the length is in the next two or eight bytes.
_LONGEST_SHORT, _TWO_BYTES, _EIGHT_BYTES = 125, 126, 127


class InvalidFrame(ValueError):
    """Bytes that are no frame of a server."""


class TooLong(ValueError):
    """A frame that is longer than is read."""


class Frame(NamedTuple):
    opcode: int
    data: bytes


def masked_frame(data: bytes, opcode: int, mask: bytes) -> bytes:
    """A final frame of a client. `mask` are four random bytes."""
    size = len(data)
    if size <= _LONGEST_SHORT:
        length = bytes([_MASKED | size])
    elif size < 1 << 16:
        length = bytes([_MASKED | _TWO_BYTES]) + size.to_bytes(2, "big")
    else:
        length = bytes([_MASKED | _EIGHT_BYTES]) + size.to_bytes(8, "big")
    repeated = (mask * (size // 4 + 1))[:size]
    # One operation on large numbers is faster than one for each byte.
    body = (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
    return bytes([_FINAL | opcode]) + length + mask + body


class FrameReader:
    """Takes bytes as they arrive and gives whole frames. A frame of more than `longest` bytes is an error."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._bytes = bytearray()

    def add(self, data: bytes) -> None:
        self._bytes += data

    def next(self) -> Frame | None:
        """The next frame; None while it is not whole. Raises: InvalidFrame, TooLong."""
        buffer = self._bytes
        if len(buffer) < 2:
            return None
        opcode, short = buffer[0] & 0x0F, buffer[1]
        if buffer[0] & _RESERVED or opcode not in _OPCODES or short & _MASKED:
            raise InvalidFrame
        if opcode >= CLOSE and not buffer[0] & _FINAL:
            raise InvalidFrame
        start = 2 + {_TWO_BYTES: 2, _EIGHT_BYTES: 8}.get(short, 0)
        if len(buffer) < start:
            return None
        size = int.from_bytes(buffer[2:start], "big") if start > 2 else short
        if size > self._longest:
            raise TooLong
        if len(buffer) < start + size:
            return None
        data = bytes(buffer[start : start + size])
        del buffer[: start + size]
        return Frame(opcode, data)
