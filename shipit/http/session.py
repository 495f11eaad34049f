"""A session of the library requests whose sockets obey a Pace, and whose errors become RemoteErrors."""

from __future__ import annotations

import http.client
import http.cookiejar
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import requests.adapters
import urllib3
import urllib3.connection
from urllib3.util.ssl_ import create_urllib3_context

from shipit.errors import RemoteError, ShipitError
from shipit.http import failures
from shipit.http.connections import trusting
from shipit.http.pace import Pace
from shipit.http.response import Response
from shipit.http.sockets import PacedSocket, PacedTlsSocket, open_socket
from shipit.http.timeouts import CONNECT_S
from shipit.http.urls import host_of, shown

_PIECE = 256 * 1024
_POOL = 16


class _Current(threading.local):
    """The pace of the request that this thread is sending: requests and urllib3 have no parameter for it."""

    pace: Pace


_current = _Current()


@contextmanager
def pacing(pace: Pace) -> Iterator[None]:
    """Make what this thread sends obey a pace."""
    _current.pace = pace
    try:
        yield
    finally:
        del _current.pace


def make_session(ca_bundle: str | None, server_name: str | None = None) -> requests.Session:
    """A session that ignores the environment and keeps no cookies; used inside `pacing` only. `server_name` as in `Tls`."""
    session = requests.Session()
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=()))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(ca_bundle, server_name))
    return session


class _TlsSocket(PacedTlsSocket):
    def do_handshake(self, block: bool = False) -> None:
        self.pace = _current.pace
        super().do_handshake(block)


class _Connection(urllib3.connection.HTTPConnection):
    response_class = Response

    def _new_conn(self) -> PacedSocket:
        sock = open_socket(self._dns_host, self.port, _current.pace, CONNECT_S, is_proxy=True)
        _current.pace.connecting(CONNECT_S)
        return sock

    def connect(self) -> None:
        super().connect()
        _current.pace.sending()

    def request(self, *arguments: Any, **more: Any) -> None:
        if self.sock is not None:
            # Over TLS in TLS, the socket of the inner one is an attribute of the outer.
            sock: Any = getattr(self.sock, "socket", self.sock)
            sock.pace = _current.pace
            _current.pace.sending()
        super().request(*arguments, **more)

    def getresponse(self) -> Any:
        _current.pace.head()
        return super().getresponse()


class _TlsConnection(_Connection, urllib3.connection.HTTPSConnection):
    def connect(self) -> None:
        if self.ssl_context is None:
            self.ssl_context = create_urllib3_context()
            self.ssl_context.sslsocket_class = _TlsSocket
        super().connect()


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, ca_bundle: str | None, server_name: str | None) -> None:
        self._ca_bundle = ca_bundle
        # Names of what urllib3's connections take.
        self._names: dict[str, Any] = (
            {"server_hostname": server_name, "assert_hostname": server_name} if server_name else {}
        )
        super().__init__(pool_connections=_POOL, pool_maxsize=_POOL)

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        # Bodies are read and sent in pieces of this size; urllib3's default of 16 KiB is slow with large layers.
        super().init_poolmanager(*arguments, **{**more, **self._names, "blocksize": _PIECE})
        _pace(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        if proxy.lower().startswith("https:"):
            more["proxy_ssl_context"] = context = trusting(self._ca_bundle)
            context.sslsocket_class = _TlsSocket
        manager = super().proxy_manager_for(proxy, **self._names, **more)
        if not proxy.lower().startswith("socks"):
            _pace(manager)
        return manager


def _pace(manager: Any) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


@contextmanager
def mapped_errors(method: str, url: str) -> Iterator[None]:
    """Turn every error of requests and urllib3 into a RemoteError."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, http.client.HTTPException) as error:
        cause: BaseException | None = error
        while cause is not None:
            # Our own error, raised by a body that the library was reading: a cancelled upload for example.
            if isinstance(cause, ShipitError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        raise translate(error, method, url) from error


def translate(error: Exception, method: str, url: str) -> RemoteError:
    """The RemoteError for a library's error, by its type or by that of its root cause."""
    where = shown(method, url)
    if isinstance(error, requests.exceptions.ProxyError):
        return RemoteError(
            "the proxy refused or did not answer", where=where, hint="check HTTPS_PROXY and NO_PROXY", retryable=True
        )
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return failures.translate(TimeoutError(), method, url)
    if isinstance(
        error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema | requests.exceptions.InvalidSchema
    ):
        return failures.translate(http.client.InvalidURL(), method, url)
    root = _root(error)
    if isinstance(error, requests.exceptions.SSLError) and not isinstance(root, ssl.SSLError):
        return failures.untrusted(where, host_of(url))
    return failures.translate(root, method, url)


def _root(error: BaseException) -> BaseException:
    """The root cause of a chain of library errors."""
    for _ in range(10):
        nested = error.__cause__ or error.__context__
        if nested is None:
            break
        error = nested
    return error
