"""Requests as values in, responses or RemoteErrors out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3

from shipit import __version__
from shipit.config.environment import Environment
from shipit.config.units import parse_duration
from shipit.errors import RemoteError, ShipitError, UsageError
from shipit.http.proxy import proxy_for

_PIECE = 256 * 1024
CONNECT_S, READ_S = 10.0, 60.0
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


class Http:
    """A pool of connections that is fed its proxies and certificates, and reads no environment by itself."""

    def __init__(
        self, environment: Environment, *, pool_size: int = 8, user_agent: str = f"shipit/{__version__}"
    ) -> None:
        self.environment = environment
        self._own_read_s = _read_timeout_s(environment)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["User-Agent"] = user_agent
        adapter = requests.adapters.HTTPAdapter(pool_connections=pool_size, pool_maxsize=pool_size)
        # Bodies are read and sent in pieces of this size; http.client's own 16 KiB cost time with large layers.
        adapter.init_poolmanager(pool_size, pool_size, blocksize=_PIECE)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        json: Any = None,
        params: Any = None,
        stream: bool = False,
        redirects: bool = False,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
    ) -> requests.Response:
        """Send one request, once. Any status is a response; only a missing answer raises.

        Raises: RemoteError (retryable unless the certificate or URL is wrong).
        """
        proxy = proxy_for(url, self.environment)
        with mapped_errors(method, url):
            return self.session.request(
                method,
                url,
                headers=dict(headers or {}),
                data=data,
                json=json,
                params=params,
                stream=stream,
                allow_redirects=redirects,
                timeout=(connect_s, self._own_read_s or read_s),
                proxies={"http": proxy, "https": proxy} if proxy else {},
                verify=self.environment.ca_bundle or True,
            )


def _read_timeout_s(environment: Environment) -> float | None:
    """How long an answer may take to begin, where SHIPIT_HTTP_TIMEOUT says so; such as `30s`."""
    text = environment.get("SHIPIT_HTTP_TIMEOUT")
    try:
        return parse_duration(text) if text else None
    except ValueError as error:
        raise UsageError(f"SHIPIT_HTTP_TIMEOUT {error}") from None


def shown(method: str, url: str) -> str:
    """`METHOD host/path` of a URL: no user, no password, no query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{method} {parts.hostname or ''}{port}{parts.path}"


@contextmanager
def mapped_errors(method: str, url: str) -> Iterator[None]:
    """Turn whatever requests and urllib3 raise into RemoteErrors."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        cause: BaseException | None = error
        while cause is not None:
            # An error of ours that travelled through the library, a cancelled upload for example.
            if isinstance(cause, ShipitError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        raise translate(error, method, url) from error


def translate(error: Exception, method: str, url: str) -> RemoteError:
    """The RemoteError for a library's error; which ones may pass is set here, by type."""
    where, host = shown(method, url), urlsplit(url).hostname or url
    if isinstance(error, requests.exceptions.SSLError):
        hint = "for a private certificate authority set SSL_CERT_FILE to its file"
        return RemoteError(f"the certificate of {host} can't be trusted", where=where, hint=hint)
    if isinstance(error, requests.exceptions.ProxyError):
        return RemoteError(
            "the proxy refused or did not answer", where=where, hint="check HTTPS_PROXY and NO_PROXY", retryable=True
        )
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return RemoteError("no answer in time", where=where, hint=f"check that {host} can be reached", retryable=True)
    if isinstance(
        error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema | requests.exceptions.InvalidSchema
    ):
        return RemoteError(f"{host} is no address that can be asked", where=where)
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException) and error.filename:
        return RemoteError(f"{error.filename}: {error.strerror}", where=where)
    if _is_unresolved(error):
        return RemoteError(
            f"the name {host} is not known", where=where, hint="check the name and the network", retryable=True
        )
    return RemoteError(
        f"no connection: {_root_message(error)}", where=where, hint=f"check that {host} can be reached", retryable=True
    )


def _is_unresolved(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        reason = getattr(seen, "reason", None) or (seen.args[0] if seen.args else None)
        if isinstance(reason, urllib3.exceptions.NameResolutionError):
            return True
        if isinstance(reason, urllib3.exceptions.MaxRetryError) and isinstance(
            reason.reason, urllib3.exceptions.NameResolutionError
        ):
            return True
        seen = seen.__cause__
    return False


def _root_message(error: BaseException) -> str:
    """What the operating system said at the bottom of a chain of library errors."""
    seen, last = error, error
    for _ in range(10):
        last = seen
        nested = seen.__cause__ or seen.__context__
        if nested is None:
            break
        seen = nested
    if isinstance(last, OSError) and last.strerror:
        return last.strerror.lower()
    return {"IncompleteRead": "the answer broke off", "RemoteDisconnected": "the server hung up"}.get(
        type(last).__name__, type(last).__name__
    )
