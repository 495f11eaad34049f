"""Sends a request to its server, directly or through the proxy that the environment names."""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING, Any

from shipit import __version__
from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.http.credentials_in import credentials_in
from shipit.http.direct import Direct, parse_url
from shipit.http.failures import translate
from shipit.http.messages import Answer, Pairs, Request, make_request
from shipit.http.pace import Pace
from shipit.http.proxy import proxy_for
from shipit.http.timeouts import READ_S, REQUEST_S, own_read_s
from shipit.http.tls import Tls
from shipit.http.upgraded import RawConnection

if TYPE_CHECKING:
    from shipit.http.proxied import Proxied


class Transport:
    """Sends requests; follows no redirect, keeps no cookie. Safe to use from several threads.

    `deadline` bounds all its requests; `request_s` bounds each request without a deadline of its own. `tls` and `proxy` are
    for a transport to one server, which has its own certificates or its own proxy.
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
        # Proxy -> sender of requests whose connection is upgraded.
        self._tunnels: dict[str, Direct] = {}
        self._lock = threading.Lock()

    @property
    def limited(self) -> Deadline:
        """The deadline of a request that begins now."""
        return self.deadline.within(self.request_s)

    def close(self) -> None:
        """Close idle connections now, and the others when their answers have been read."""
        with self._lock:
            if self._proxied is not None:
                self._proxied.close()
        self._direct.close()
        for tunnel in self._tunnels.values():
            tunnel.close()

    def send(self, method: str, url: str, *, form: Pairs | None = None, **more: Any) -> Answer:
        """`answer` for a request made of these parts: `query`, `form`, `json`, and the fields of Request."""
        self.environment.redactor.add(credentials_in({}, "", form or ()))
        return self.answer(make_request(method, url, form=form, **more))

    def answer(self, request: Request) -> Answer:
        """Send one request, once. Any status is an answer; only a missing one raises.

        Raises: RemoteError (retryable unless the certificate or URL is wrong), DeadlinePassed, Interrupted.
        """
        request = request._replace(headers={"User-Agent": f"shipit/{__version__}", **request.headers})
        self.environment.redactor.add(credentials_in(request.headers, request.url))
        read_s = self._own_read_s or request.read_s
        led_by = request.led_by.reach if request.led_by else None
        pace = Pace(request.shown, request.deadline or self.limited, read_s, request.least_rate, led_by)
        try:
            answer = self._sender(request).send(request, pace)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise translate(error, request.method, request.url) from error
        if not request.stream or answer.status not in (101, 200, 206):
            _ = answer.content
        return answer

    def connect(self, host: str, port: int, deadline: Deadline, *, is_secure: bool = True) -> RawConnection:
        """A connection for another protocol than HTTP, with TLS unless `is_secure` is False.

        Raises: RemoteError, DeadlinePassed, Interrupted.
        """
        scheme = "https" if is_secure else "http"
        url = f"{scheme}://{host}:{port}/"
        pace = Pace(f"CONNECT {host}:{port}", deadline, self._own_read_s or READ_S)
        proxy = self._proxy or proxy_for(url, self.environment)
        try:
            return (self._tunnel(proxy) if proxy else self._direct).connect((scheme, host, port), pace)
        except (OSError, http.client.HTTPException) as error:
            raise translate(error, "CONNECT", url) from error

    def _tunnel(self, proxy: str) -> Direct:
        with self._lock:
            return self._tunnels.setdefault(proxy, Direct(self.environment.ca_bundle, self._tls, proxy))

    def _sender(self, request: Request) -> Direct | Proxied:
        parse_url(request.url)
        proxy = self._proxy or proxy_for(request.url, self.environment)
        if proxy is None:
            return self._direct
        # What the library requests can't do, or only with another library.
        if request.upgrades or proxy.startswith(("socks5://", "socks5h://")):
            return self._tunnel(proxy)
        with self._lock:
            if self._proxied is None:
                from shipit.http.proxied import Proxied

                self._proxied = Proxied(self.environment, self._tls, self._proxy)
            return self._proxied
