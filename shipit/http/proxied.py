"""Sends requests through a proxy, with requests, which supports every kind of proxy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import requests
import urllib3

from shipit.config.process_environment import ProcessEnvironment
from shipit.http.connections import check_bundle
from shipit.http.messages import Answer, Pairs, Request
from shipit.http.pace import Pace
from shipit.http.proxy import proxy_for
from shipit.http.session import make_session, mapped_errors, pacing
from shipit.http.timeouts import CONNECT_S, READ_S
from shipit.http.tls import Tls


class Proxied:
    """Safe to use from several threads."""

    def __init__(self, environment: ProcessEnvironment, tls: Tls | None = None, proxy: str | None = None) -> None:
        self._environment = environment
        self._tls, self._proxy = tls or Tls(), proxy
        self._session = make_session(environment.ca_bundle, self._tls.server_name)
        trusted = self._tls.ca_file or environment.ca_bundle or True
        if isinstance(trusted, str) and Path(trusted).exists():
            check_bundle(trusted)
        self._verify = trusted if self._tls.is_verified else False
        if not self._tls.is_verified:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def close(self) -> None:
        self._session.close()

    def send(self, request: Request, pace: Pace) -> Answer:
        """Send once. Raises: RemoteError, DeadlinePassed, Interrupted."""
        proxy = self._proxy or proxy_for(request.url, self._environment)
        with mapped_errors(request.method, request.url), pacing(pace):
            response = self._session.request(
                request.method,
                request.url,
                headers={"Accept-Encoding": "identity", **request.headers},
                data=request.body,
                stream=True,
                allow_redirects=False,
                # Our sockets obey the pace of the request; these limits are for sockets of other libraries, such as those for SOCKS.
                timeout=(CONNECT_S, READ_S),
                proxies={"http": proxy, "https": proxy} if proxy else {},
                verify=self._verify,
                auth=partial(_with_repeated, request.repeated) if request.repeated else None,
                cert=(self._tls.cert_file, self._tls.key_file) if self._tls.cert_file and self._tls.key_file else None,
            )
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(request, response.status_code, received, _Incoming(request, response, pace))


def _with_repeated(repeated: Pairs, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request with headers whose names repeat, which requests itself has no place for."""
    headers = urllib3.HTTPHeaderDict(prepared.headers)
    for name, value in repeated:
        headers.add(name, value)
    prepared.headers = headers  # type: ignore[assignment]
    return prepared


class _Incoming:
    def __init__(self, request: Request, response: requests.Response, pace: Pace) -> None:
        self._request, self._response, self._pace = request, response, pace

    def read(self, amount: int) -> bytes:
        self._pace.body(amount)
        with mapped_errors(self._request.method, self._request.url):
            raw = self._response.raw
            data: bytes = (raw.read1 if self._pace.follows else raw.read)(amount, decode_content=False)
            return data

    def close(self) -> None:
        self._response.close()
