"""Answers before the answer. Source: RFC 9110, section 15.2: a client passes over those that it does not expect."""

from __future__ import annotations

import http.client


class Response(http.client.HTTPResponse):
    """Passes over 102 to 199, such as 103 Early Hints; http.client does so with 100 by itself."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 102 <= status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)
