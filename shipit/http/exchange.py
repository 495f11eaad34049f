"""A request as a value, and its answer: status and headers are there, the body is read when asked for."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from shipit.errors import RemoteError
from shipit.http.failures import shown

LARGEST_WHOLE = 8 * 1024 * 1024
_PIECE = 64 * 1024


class Request(NamedTuple):
    """`body` is None, bytes, or has `read` and a length; `read_s` is how long the server may be silent, in seconds."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any
    read_s: float

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

    def __init__(self, request: Request, status: int, headers: Mapping[str, str], body: Body) -> None:
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

    def pieces(self, amount: int = _PIECE) -> Iterator[bytes]:
        """The body as it comes, each piece of `amount` bytes at most where nothing has to be unpacked."""
        is_packed = self.header("Content-Encoding").strip().lower() in ("gzip", "x-gzip")
        unpacker, is_begun = zlib.decompressobj(zlib.MAX_WBITS | 16) if is_packed else None, False
        while data := self._body.read(amount):
            is_begun = True
            try:
                yield unpacker.decompress(data) if unpacker else data
            except zlib.error:
                raise RemoteError("the answer is no gzip, as it says", where=self.request.shown) from None
        if unpacker and is_begun and not unpacker.eof:
            raise RemoteError("the gzip of the answer broke off", where=self.request.shown, retryable=True)

    @property
    def content(self) -> bytes:
        """The whole body, up to 8 MiB. Raises: RemoteError where it is longer."""
        if self._content is None:
            data = bytearray()
            with self:
                for piece in self.pieces():
                    data += piece
                    if len(data) > LARGEST_WHOLE:
                        raise RemoteError("the answer is longer than 8 MiB", where=self.request.shown)
            self._content = bytes(data)
        return self._content

    def json(self) -> Any:
        """The body parsed. Raises: ValueError where it is no JSON."""
        return json.loads(self.content)
