"""An answer whose headers and trailers are bounded: http.client has limits for each line, and a socket for each read."""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shipit.http.pace import LARGEST_HEAD
from shipit.http.response import Response


class BoundedResponse(Response):
    """Its head, with the interim responses before it, and its trailers take no longer than the time limit of the socket each."""

    def __init__(self, sock: socket.socket, *arguments: Any, **more: Any) -> None:
        super().__init__(sock, *arguments, **more)
        self._sock = sock

    def begin(self, **more: Any) -> None:
        with self._bounded():
            super().begin(**more)

    def _read_and_discard_trailer(self) -> None:
        with self._bounded():
            http.client.parse_headers(self.fp)

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        reader, limit_s = self.fp, self._sock.gettimeout()
        self.fp = _BoundedLines(reader, self._sock, limit_s)  # type: ignore[assignment]
        try:
            yield
        finally:
            # http.client removes it when it closes it.
            if self.fp is not None:
                self.fp = reader
            self._sock.settimeout(limit_s)


class _BoundedLines:
    """The lines of a reader. Raises: TimeoutError when nothing came in time, HTTPException when not all came, or too many."""

    def __init__(self, reader: io.BufferedReader, sock: socket.socket, limit_s: float | None) -> None:
        self._reader, self._sock, self._limit_s = reader, sock, limit_s
        self._began_s = time.monotonic()
        self._size_bytes, self._has_begun = 0, False

    def readline(self, most: int) -> bytes:
        line = b""
        while len(line) < most and not line.endswith(b"\n") and (ahead := self._ahead()):
            size = ahead.find(b"\n") + 1 or len(ahead)
            line += self._reader.read(min(size, most - len(line)))
        self._size_bytes += len(line)
        if self._size_bytes > LARGEST_HEAD:
            raise http.client.HTTPException(f"its answer has more than {LARGEST_HEAD} bytes of headers")
        return line

    def close(self) -> None:
        self._reader.close()

    def _ahead(self) -> bytes:
        """The bytes that have arrived; waits for some where there are none. Raises: as the class."""
        if self._limit_s is None:
            return self._reader.peek(1)
        left_s = self._began_s + self._limit_s - time.monotonic()
        if left_s > 0:
            self._sock.settimeout(left_s)
            try:
                ahead = self._reader.peek(1)
                self._has_begun = True
                return ahead
            except TimeoutError:
                if not self._has_begun:
                    raise
        raise http.client.HTTPException(f"the headers of its answer took longer than {self._limit_s:g} s")
