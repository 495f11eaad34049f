"""http.client's response with two corrections: interim responses are skipped, and chunk sizes are checked.

Source: RFC 9110, section 15.2 (interim responses); RFC 9112, section 7.1 (chunks).
"""

from __future__ import annotations

import http.client


class Response(http.client.HTTPResponse):
    """Skips 102 to 199, such as 103 Early Hints; http.client itself skips 100 only. Refuses negative chunk sizes."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 102 <= status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)

    def _read_next_chunk_size(self) -> int:
        try:
            size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        except ValueError:
            # It has closed the connection.
            size = -1
        if size < 0:
            if self.fp is not None:
                self._close_conn()  # type: ignore[attr-defined]
            raise http.client.IncompleteRead(b"")
        return size


def read_piece(response: http.client.HTTPResponse, amount: int, *, as_it_comes: bool) -> bytes:
    """At most `amount` bytes of the body, all of them unless `as_it_comes`; empty at its end. Raises: OSError, HTTPException."""
    data = response.read1(amount) if as_it_comes else response.read(amount)
    # http.client raises nothing for a body that ends early when it is read in pieces.
    if not data and response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return data
