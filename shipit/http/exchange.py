"""A request as a value, and its answer: status and headers are there, the body is read when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from shipit.errors import RemoteError
from shipit.http.failures import shown
from shipit.http.pace import Pace
from shipit.http.unpacking import BadGzip, Unpacker
from shipit.json_text import parse_json

LARGEST_WHOLE = 8 * 1024 * 1024
_PIECE = 64 * 1024


class Request(NamedTuple):
    """`body` is None, bytes, or has `read` and a length."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any
    pace: Pace

    @property
    def shown(self) -> str:
        """`METHOD host/path`, for people."""
        return shown(self.method, self.url)


class Body(Protocol):
    """Bytes that are still on their way. `read` gives at most `amount`, none at the end. Raises: RemoteError."""

    def read(self, amount: int) -> bytes: ...
    def close(self) -> None: ...


class Answer:
    """What a server said to one request. `headers` have names in lower case; one sent repeatedly is joined by commas."""

    def __init__(
        self, request: Request, status: int, headers: Mapping[str, str], body: Body, *, is_inside: bool = False
    ) -> None:
        # `is_inside`: whether it came from an address of this machine or its link.
        self.is_inside = is_inside
        self.request = request
        self.status = status
        self.headers = headers
        self._body = body
        self._content: bytes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._body.close()

    def header(self, name: str) -> str:
        """A header by its name in any case; empty where it was not sent."""
        return self.headers.get(name.lower(), "")

    def pieces(self, amount: int = _PIECE, *, most_bytes: float = float("inf")) -> Iterator[bytes]:
        """The body as it comes, unpacked, in pieces of `amount` bytes at most.

        Raises: RemoteError where it breaks off, or is longer than `most_bytes`; DeadlinePassed, Interrupted.
        """
        left = most_bytes
        for piece in self._unpacked(amount) if self._is_packed else self._plain(amount):
            left -= len(piece)
            if left < 0:
                raise RemoteError(f"the answer is longer than {_said(most_bytes)}", where=self.request.shown)
            yield piece

    @property
    def content(self) -> bytes:
        """The whole body, up to 8 MiB. Raises: RemoteError where it is longer."""
        if self._content is None:
            with self:
                self._content = b"".join(self.pieces(most_bytes=LARGEST_WHOLE))
        return self._content

    def json(self) -> Any:
        """The body parsed. Raises: ValueError where it is no JSON."""
        return parse_json(self.content)

    @property
    def _is_packed(self) -> bool:
        return self.header("Content-Encoding").strip().lower() in ("gzip", "x-gzip")

    def _plain(self, amount: int) -> Iterator[bytes]:
        while data := self._body.read(amount):
            yield data

    def _unpacked(self, amount: int) -> Iterator[bytes]:
        unpacker = Unpacker(amount)
        try:
            for data in self._plain(amount):
                yield from unpacker.feed(data)
        except BadGzip:
            raise RemoteError("the answer is no gzip, as it says", where=self.request.shown) from None
        if unpacker.is_begun and not unpacker.is_complete:
            raise RemoteError("the gzip of the answer broke off", where=self.request.shown, retryable=True)


def _said(size: float) -> str:
    return f"{size / 1024**2:g} MiB" if size % 1024**2 == 0 else f"{size:.0f} bytes"
