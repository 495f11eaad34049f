"""What http.client's answers lack.

Source: RFC 9110, section 15.2: a client passes over answers before the answer that it does not expect; RFC 9112, section 7.1.
"""

from __future__ import annotations

import http.client


class Response(http.client.HTTPResponse):
    """Passes over 102 to 199, such as 103 Early Hints; http.client does so with 100 by itself. Takes no negative size of a chunk."""

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
