"""http.client's response with two corrections: interim responses are skipped, and chunk sizes are checked.

Source: RFC 9110, section 15.2 (interim responses); RFC 9112, section 7.1 (chunks).
"""

from __future__ import annotations

import http.client
from typing import cast

from shipit.http.head import read_fields


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


class DirectResponse(Response):
    """The same, with `received`: name in lower case -> value; those of repeated names are joined by commas.

    The library requests needs the messages of http.client, which take longer to parse than a short answer takes in all.
    """

    received: dict[str, str]

    def begin(self) -> None:
        """Read the head. Raises: OSError, http.client.HTTPException."""
        version, status, reason = self._read_status()
        while status == http.client.CONTINUE:
            read_fields(self.fp)
            version, status, reason = self._read_status()
        if not version.startswith("HTTP/1.") and version != "HTTP/0.9":
            raise http.client.UnknownProtocol(version)
        self.version = 10 if version in ("HTTP/1.0", "HTTP/0.9") else 11
        self.status, self.reason = status, reason.strip()
        first: dict[str, str] = {}
        self.received = {}
        for name, value in read_fields(self.fp):
            first.setdefault(name, value)
            self.received[name] = f"{self.received[name]}, {value}" if name in self.received else value
        self.headers = cast("http.client.HTTPMessage", first)
        self._frame(first)

    def _frame(self, first: dict[str, str]) -> None:
        """Find where the body ends, as http.client does."""
        self.chunked = first.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.will_close = self._check_close()  # type: ignore[attr-defined]
        text = first.get("content-length", "")
        self.length = int(text) if text.isascii() and text.isdigit() and not self.chunked else None
        is_empty = self._method == "HEAD"  # type: ignore[attr-defined]
        if is_empty or self.status in (204, 304) or 100 <= self.status < 200:
            self.length = 0
        if not self.chunked and self.length is None:
            self.will_close = True
