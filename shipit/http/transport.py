"""HTTP for what is asked at once and often: straight to the server, or through the proxy that the environment names."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from shipit import __version__
from shipit.config.environment import Environment
from shipit.http.direct import Direct, parse_url
from shipit.http.exchange import Answer, Request
from shipit.http.failures import translate
from shipit.http.proxy import proxy_for
from shipit.http.timeouts import READ_S, own_read_s

if TYPE_CHECKING:
    from shipit.http.proxied import Proxied

Pairs = Sequence[tuple[str, str]]


class Transport:
    """Sends requests, follows no redirect, keeps no cookie. Safe to use from several threads."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._own_read_s = own_read_s(environment)
        self._direct = Direct(environment.ca_bundle)
        self._proxied: Proxied | None = None
        self._lock = threading.Lock()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        query: Pairs = (),
        form: Pairs | None = None,
        stream: bool = False,
        read_s: float = READ_S,
    ) -> Answer:
        """Send one request, once. Any status is an answer; only a missing one raises.

        `body` is bytes, or has `read` and a length. With `stream` the body of a 200 is left to be read, or closed.
        Raises: RemoteError (retryable unless the certificate or URL is wrong).
        """
        sent = {"User-Agent": f"shipit/{__version__}", **(headers or {})}
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        if form is not None:
            body = urlencode(form).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        request = Request(method, url, sent, body, self._own_read_s or read_s)
        try:
            answer = self._sender(url).send(request)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise translate(error, method, url) from error
        if not stream or answer.status != 200:
            _ = answer.content
        return answer

    def _sender(self, url: str) -> Direct | Proxied:
        parse_url(url)
        if proxy_for(url, self.environment) is None:
            return self._direct
        with self._lock:
            if self._proxied is None:
                from shipit.http.proxied import Proxied

                self._proxied = Proxied(self.environment)
            return self._proxied
