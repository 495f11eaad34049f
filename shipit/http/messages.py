"""A request as a value, and its answer: status and headers are read already, the body when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from json import dumps
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import urlencode

from shipit.clock import Deadline
from shipit.errors import RemoteError
from shipit.http.gzip_body import BadGzip, Unpacker
from shipit.http.pace import LEAST_RATE
from shipit.http.reach import Reach
from shipit.http.timeouts import READ_S
from shipit.http.upgraded import RawConnection, Upgraded
from shipit.http.urls import shown
from shipit.json_text import parse_json

LARGEST_WHOLE = 8 * 1024 * 1024
_PIECE = 64 * 1024
Pairs = Sequence[tuple[str, str]]


class Request(NamedTuple):
    """One request. Wrappers send it with other headers, or to another URL; nothing in it changes.

    `body` is None, bytes, or has `read` and a length, and `rewind` where it may be sent again. With `stream` the body of a
    200 or 206 is left to be read, or closed. `read_s` is how long the server may be silent, `least_rate` how many bytes a
    second a body has to move: 0 for a stream that may have nothing to say. `deadline` holds until the last byte of the
    answer is read; without one it is the transport's. `led_by` is the answer that named the URL: one from elsewhere leads
    to no address of this machine or its link. `upgrades` is whether the connection is to change to another protocol.
    `repeated` are more headers, whose names may repeat.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: Any = None
    stream: bool = False
    read_s: float = READ_S
    deadline: Deadline | None = None
    least_rate: int = LEAST_RATE
    led_by: Answer | None = None
    upgrades: bool = False
    repeated: Pairs = ()

    @property
    def shown(self) -> str:
        """`METHOD host/path`, for people."""
        return shown(self.method, self.url)

    def adding(self, headers: Mapping[str, str]) -> Request:
        return self._replace(headers={**self.headers, **headers})

    def rewound(self) -> Request:
        """The same request, to be sent again: its body is read from its beginning."""
        if rewind := getattr(self.body, "rewind", None):
            rewind()
        return self

    def moved(self, url: str, led_by: Answer) -> Request:
        """The same request for another URL, without its authorization."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        return self.rewound()._replace(url=url, headers=headers, led_by=led_by)


def make_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Pairs = (),
    form: Pairs | None = None,
    json: Any = None,
    body: Any = None,
    **more: Any,
) -> Request:
    """A request with a query, and with a form or JSON as its body. `more` are fields of Request."""
    headers = dict(headers or {})
    if query:
        url += ("&" if "?" in url else "?") + urlencode(query)
    if form is not None:
        body = urlencode(form).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if json is not None:
        body = dumps(json).encode()
        headers["Content-Type"] = "application/json"
    return Request(method, url, headers, body, **more)


class Body(Protocol):
    """The body of an answer while it arrives. `read` gives at most `amount` bytes, none at the end. Raises: RemoteError."""

    def read(self, amount: int) -> bytes: ...
    def close(self) -> None: ...


class Answer:
    """A server's answer to one request. `headers` have names in lower case; repeated ones are joined by commas.

    `reach` is where the address is that the answer came from; answers through a proxy come from elsewhere.
    """

    def __init__(
        self, request: Request, status: int, headers: Mapping[str, str], body: Body, reach: Reach = Reach.ELSEWHERE
    ) -> None:
        self.reach = reach
        self.request = request
        self.status = status
        self.headers = headers
        self._body = body
        self._content: bytes | None = None

    def take_connection(self) -> RawConnection:
        """The connection of an answer 101, which the caller closes."""
        assert isinstance(self._body, Upgraded)
        return self._body.take()

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
        """The body as it arrives, decompressed, in pieces of at most `amount` bytes.

        Raises: RemoteError where it ends early, or is longer than `most_bytes`; DeadlinePassed, Interrupted.
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
        """The body parsed as JSON. Raises: ValueError."""
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
            raise RemoteError(
                "the answer should be gzip, as its Content-Encoding says", where=self.request.shown
            ) from None
        if unpacker.is_begun and not unpacker.is_complete:
            raise RemoteError("the gzip of the answer ended early", where=self.request.shown, retryable=True)


def _said(size: float) -> str:
    return f"{size / 1024**2:g} MiB" if size % 1024**2 == 0 else f"{size:.0f} bytes"


# What a transport does, and each wrapper around it: send a request, return its answer.
Send = Callable[[Request], Answer]
