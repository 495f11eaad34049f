"""Gzip unpacked in pieces of a bounded size, however much a few bytes unpack to."""

from __future__ import annotations

import zlib
from collections.abc import Iterator


class BadGzip(ValueError):
    """What should be gzip and is not."""


class Unpacker:
    """Gives at most `amount` bytes at a time. Bytes after the end are ignored."""

    def __init__(self, amount: int) -> None:
        self._amount = amount
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.is_begun = False

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What some more packed bytes unpack to. Raises: BadGzip."""
        self.is_begun = True
        while data and not self._stream.eof:
            try:
                piece = self._stream.decompress(data, self._amount)
            except zlib.error:
                raise BadGzip from None
            data = self._stream.unconsumed_tail
            if piece:
                yield piece
