"""What a connection sends of a request at once."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.http.connections import _WITH_HEAD, _Connection


class Recorder:
    """A socket that takes everything."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendall(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("body", "pieces"), [(b"{}", 1), (b"", 1), (b"x" * _WITH_HEAD, 1), (b"x" * (_WITH_HEAD + 1), 2), (None, 1)]
)
def test_a_small_body_is_sent_with_its_head(body: bytes | None, pieces: int) -> None:
    connection, sock = _Connection("example.com"), Recorder()
    connection.sock = sock
    connection.request("PATCH", "/a", body=body, headers={"Accept": "text/plain"})
    head, _, rest = b"".join(sock.sent).partition(b"\r\n\r\n")
    assert (len(sock.sent), rest) == (pieces, body or b"")
    assert head.startswith(b"PATCH /a HTTP/1.1\r\nHost: example.com\r\n") and head.endswith(b"Accept: text/plain")
