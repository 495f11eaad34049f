"""Decompresses gzip in pieces of a bounded size, so that a small bomb can't fill the memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator


class BadGzip(ValueError):
    """Data that is not valid gzip."""


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
        """The decompressed pieces of some more data. Raises: BadGzip."""
        self.is_begun = True
        while data and not self._stream.eof:
            try:
                piece = self._stream.decompress(data, self._amount)
            except zlib.error:
                raise BadGzip from None
            data = self._stream.unconsumed_tail
            if piece:
                yield piece
