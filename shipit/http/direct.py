"""Sends requests with http.client, whose import takes a quarter of the time of requests."""

from __future__ import annotations

import errno
import http.client
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

from shipit.http.connections import Connections, Place
from shipit.http.failures import translate
from shipit.http.messages import Answer, Request
from shipit.http.pace import Pace
from shipit.http.reach import Reach, reach_of
from shipit.http.repeated import HeaderPairs
from shipit.http.response import read_piece
from shipit.http.timeouts import CONNECT_S
from shipit.http.tls import Tls
from shipit.http.upgraded import RawConnection, Upgraded
from shipit.http.urls import ascii_host, check_authority

# Reserved and unreserved characters of RFC 3986, and `%`: a URL that a server quoted is not quoted again.
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"
_HUNG_UP = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE})


class Direct:
    """Safe to use from several threads. With `proxy`, connections are opened through it, also those to plain HTTP."""

    def __init__(self, ca_bundle: str | None, tls: Tls | None = None, proxy: str | None = None) -> None:
        self._is_proxied = proxy is not None
        self._connections = Connections(ca_bundle, tls=tls, proxy=proxy)

    def close(self) -> None:
        self._connections.close()

    def connect(self, place: Place, pace: Pace) -> RawConnection:
        """A connection for another protocol than HTTP. Raises: OSError."""
        return RawConnection(self._connections.connect(place, pace, CONNECT_S))

    def send(self, request: Request, pace: Pace) -> Answer:
        """Send once. Raises: OSError, http.client.HTTPException, ValueError."""
        place, target = parse_url(request.url)
        connection = self._connections.take(place, pace, CONNECT_S)
        sock: Any = connection.sock
        reach = Reach.ELSEWHERE if self._is_proxied else reach_of(str(sock.getpeername()[0]))
        try:
            response = _exchange(connection, request, target, pace)
        except BaseException:
            connection.close()
            raise
        received: dict[str, str] = {}
        for name, value in response.headers.items():
            name = name.lower()
            received[name] = f"{received[name]}, {value}" if name in received else value
        if response.status == http.client.SWITCHING_PROTOCOLS:
            return Answer(request, response.status, received, Upgraded(response, sock), reach)
        body = _Incoming(self._connections, place, connection, response, request, pace)
        return Answer(request, response.status, received, body, reach)


class _Incoming:
    """The body of an answer. Its connection is reused after it was read to its end, else closed."""

    def __init__(
        self,
        connections: Connections,
        place: Place,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        request: Request,
        pace: Pace,
    ) -> None:
        self._connections, self._place, self._connection = connections, place, connection
        self._response, self._request, self._pace = response, request, pace
        self._is_over = False

    def read(self, amount: int) -> bytes:
        if self._is_over:
            return b""
        self._pace.body(amount)
        try:
            data = read_piece(self._response, amount, as_it_comes=self._pace.follows)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise translate(error, self._request.method, self._request.url) from error
        except BaseException:
            self.close()
            raise
        if not data or self._response.isclosed():
            self._is_over = True
            self._response.close()
            if self._response.will_close:
                self._connection.close()
            else:
                self._connections.give(self._place, self._connection)
        return data

    def close(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._response.close()
            self._connection.close()


def _exchange(
    connection: http.client.HTTPConnection, request: Request, target: str, pace: Pace
) -> http.client.HTTPResponse:
    pace.sending()
    headers = HeaderPairs(request.headers, request.repeated) if request.repeated else dict(request.headers)
    try:
        connection.request(request.method, target, body=request.body, headers=headers)
    except OSError as error:
        if error.errno not in _HUNG_UP:
            raise
        # A server may answer and close the connection before it has read the body: its answer says why.
        with suppress(OSError, http.client.HTTPException):
            pace.head()
            response = connection.getresponse()
            response.will_close = True
            return response
        raise
    pace.head()
    return connection.getresponse()


def parse_url(url: str) -> tuple[Place, str]:
    """Where to connect, and the target of the request line. Raises: http.client.InvalidURL."""
    try:
        parts = urlsplit(url)
        check_authority(parts.netloc)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = ascii_host(parts.hostname or "")
    except ValueError as error:
        raise http.client.InvalidURL(str(error)) from None
    if parts.scheme not in ("http", "https") or not host:
        raise http.client.InvalidURL("not a URL of http or https")
    target = quote(parts.path or "/", safe=_AS_IT_IS)
    return (parts.scheme, host, port), f"{target}?{quote(parts.query, safe=_AS_IT_IS)}" if parts.query else target
