"""HTTP for what is asked at once and often: straight to the server, or through the proxy that the environment names."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping, Sequence
from json import dumps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from shipit import __version__
from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.http.direct import Direct, parse_url
from shipit.http.exchange import Answer, Request
from shipit.http.failures import shown, translate
from shipit.http.held import held_by
from shipit.http.pace import LEAST_RATE, Pace
from shipit.http.proxy import proxy_for
from shipit.http.timeouts import READ_S, REQUEST_S, own_read_s
from shipit.http.tls import Tls

if TYPE_CHECKING:
    from shipit.http.proxied import Proxied

Pairs = Sequence[tuple[str, str]]


class Transport:
    """Sends requests, follows no redirect, keeps no cookie. Safe to use from several threads.

    `deadline` is that of all its requests; `request_s` bounds each one that is sent without a deadline of its own. `tls`
    and `proxy` are for where all of them are to one server, which has its own certificates, or is behind a proxy that
    the environment does not name.
    """

    def __init__(
        self,
        environment: ProcessEnvironment,
        deadline: Deadline | None = None,
        request_s: float = REQUEST_S,
        tls: Tls | None = None,
        proxy: str | None = None,
    ) -> None:
        self.environment = environment
        self.request_s = request_s
        self.deadline = deadline or Deadline(Clock())
        self._own_read_s = own_read_s(environment)
        self._tls, self._proxy = tls, proxy
        self._direct = Direct(environment.ca_bundle, tls)
        self._proxied: Proxied | None = None
        self._lock = threading.Lock()

    @property
    def limited(self) -> Deadline:
        """The deadline of a request that begins now."""
        return self.deadline.within(self.request_s)

    def close(self) -> None:
        """Close the connections that are kept, and others as soon as their answers are read."""
        with self._lock:
            if self._proxied is not None:
                self._proxied.close()
        self._direct.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        query: Pairs = (),
        form: Pairs | None = None,
        json: Any = None,
        stream: bool = False,
        read_s: float = READ_S,
        deadline: Deadline | None = None,
        least_rate: int = LEAST_RATE,
        led_by: Answer | None = None,
    ) -> Answer:
        """Send one request, once. Any status is an answer; only a missing one raises.

        `body` is bytes, or has `read` and a length. With `stream` the body of a 200 or 206 is left to be read, or closed.
        `read_s` is how long the server may be silent, `least_rate` how many bytes a second a body has to move in either
        direction: 0 for a stream that may have nothing to say. `deadline` holds until the last byte of the body is read.
        `led_by` is the answer that named the URL: one from outside does not lead to this machine or its link.
        Raises: RemoteError (retryable unless the certificate or URL is wrong), DeadlinePassed, Interrupted.
        """
        sent = {"User-Agent": f"shipit/{__version__}", **(headers or {})}
        self.environment.redactor.add(held_by(sent, url, (*query, *(form or ()))))
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        if form is not None:
            body = urlencode(form).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        if json is not None:
            body = dumps(json).encode()
            sent["Content-Type"] = "application/json"
        pace = Pace(shown(method, url), deadline or self.limited, self._own_read_s or read_s, least_rate)
        pace.is_outside_only = led_by is not None and not led_by.is_inside
        request = Request(method, url, sent, body, pace)
        try:
            answer = self._sender(url).send(request)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise translate(error, method, url) from error
        if not stream or answer.status not in (200, 206):
            _ = answer.content
        return answer

    def _sender(self, url: str) -> Direct | Proxied:
        parse_url(url)
        if self._proxy is None and proxy_for(url, self.environment) is None:
            return self._direct
        with self._lock:
            if self._proxied is None:
                from shipit.http.proxied import Proxied

                self._proxied = Proxied(self.environment, self._tls, self._proxy)
            return self._proxied
