"""Requests through a proxy, by requests, which knows them all."""

from __future__ import annotations

import requests

from shipit.config.environment import Environment
from shipit.http.exchange import Answer, Request
from shipit.http.session import Http, mapped_errors


class Proxied:
    """Safe to use from several threads."""

    def __init__(self, environment: Environment) -> None:
        self._http = Http(environment)

    def send(self, request: Request) -> Answer:
        """Send once. Raises: RemoteError."""
        response = self._http.send(
            request.method,
            request.url,
            headers={"Accept-Encoding": "identity", **request.headers},
            data=request.body,
            stream=True,
            read_s=request.read_s,
        )
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(request, response.status_code, received, _Incoming(request, response))


class _Incoming:
    def __init__(self, request: Request, response: requests.Response) -> None:
        self._request, self._response = request, response

    def read(self, amount: int) -> bytes:
        with mapped_errors(self._request.method, self._request.url):
            data: bytes = self._response.raw.read(amount, decode_content=False)
            return data

    def close(self) -> None:
        self._response.close()
