"""Requests as values in, responses or RemoteErrors out."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
import requests.adapters
import urllib3

from shipit import __version__
from shipit.config.environment import Environment
from shipit.errors import RemoteError, ShipitError
from shipit.http import failures
from shipit.http.failures import shown
from shipit.http.proxy import proxy_for
from shipit.http.timeouts import CONNECT_S, READ_S, own_read_s

_PIECE = 256 * 1024


class Http:
    """A pool of connections that is fed its proxies and certificates, and reads no environment by itself."""

    def __init__(
        self, environment: Environment, *, pool_size: int = 8, user_agent: str = f"shipit/{__version__}"
    ) -> None:
        self.environment = environment
        self._own_read_s = own_read_s(environment)
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
    """The RemoteError for a library's error: by its own type where that says more than what is at the bottom of it."""
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
        return failures.untrusted(where, failures.host_of(url))
    return failures.translate(root, method, url)


def _root(error: BaseException) -> BaseException:
    """The error at the bottom of a chain of library errors."""
    for _ in range(10):
        nested = error.__cause__ or error.__context__
        if nested is None:
            break
        error = nested
    return error
