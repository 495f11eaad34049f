"""The admin API of Caddy, asked from within its container.

The API has no password. It listens on the loopback address of the container, where no other container and nobody outside
reaches it. The engine runs `nc` there, which passes one request on: whoever may do that may change the container anyway.
Source: caddyserver.com/docs/api.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from shipit.docker.exchange import exchange
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.json_text import parse_json
from shipit.targets.docker.proxy.labels import ADDRESS
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.frames import frames

_LIMIT_S = 30.0
_READS = 5
_PAUSE_S = 0.1
_NO_NC = "use the official image of Caddy, or one made from it: shipit needs caddy, nc and sh in it"


class _NoAnswer(RemoteError):
    """Nothing, or a part of an answer."""


class Config(NamedTuple):
    """The whole configuration, and its Etag for a write that must not overwrite another one. None before the first write."""

    value: Mapping[str, Any] | None
    etag: str


class Answer(NamedTuple):
    """An answer of the API."""

    status: int
    etag: str
    content: bytes


class ProxyAdmin:
    """The admin API of the Caddy in one container. Raises: RemoteError from every method."""

    def __init__(self, client: HostClient, container: str) -> None:
        self._client = client
        self._container = container

    def config(self) -> Config:
        answer = self._read("/config/")
        value = self._parsed(answer.content)
        return Config(value if isinstance(value, dict) else None, answer.etag)

    def write(self, method: str, path: str, value: object, etag: str) -> bool:
        """Change the configuration; False where somebody else changed it since it was read."""
        return self._call(method, path, value, etag).status != http.client.PRECONDITION_FAILED

    def requests(self) -> dict[str, int]:
        """Address -> the number of requests that it has not answered yet."""
        answer = self._read("/reverse_proxy/upstreams")
        rows = Field(self._parsed(answer.content), f"GET /reverse_proxy/upstreams of {self._container}").rows()
        return {row["address"].text(): row["num_requests"].whole() for row in rows}

    def _read(self, path: str) -> Answer:
        """Asks again where the admin server was replaced before it answered."""
        for _ in range(_READS - 1):
            with contextlib.suppress(_NoAnswer):
                return self._call("GET", path)
            self._client.deadline.sleep(_PAUSE_S, f"GET {path} of the proxy on {self._client.host}")
        return self._call("GET", path)

    def _call(self, method: str, path: str, value: object = None, etag: str = "") -> Answer:
        self._client.deadline.check(f"{method} {path} of the proxy on {self._client.host}")
        limit_s = max(1.0, min(_LIMIT_S, self._client.deadline.remaining_s()))
        command, given = ["nc", *ADDRESS.split(":")], render_request(method, path, value, etag)
        output = exchange(self._client.engine, self._container, command, given, limit_s)
        answer = parse_answer(b"".join(data for _, data in frames([output])), f"{method} {path} of the proxy")
        if answer.status not in (200, http.client.PRECONDITION_FAILED):
            raise RemoteError(_message(answer), where=self._where(method, path), status=answer.status)
        return answer

    def _where(self, method: str, path: str) -> str:
        return f"{method} {path} of the proxy on {self._client.host}"

    def _parsed(self, content: bytes) -> Any:
        try:
            return parse_json(content)
        except ValueError:
            raise RemoteError("the answer of Caddy is not JSON", where=self._client.host) from None


def render_request(method: str, path: str, value: object = None, etag: str = "") -> bytes:
    """A request whose connection Caddy closes after its answer, which ends nc."""
    body = b"" if value is None else json.dumps(value).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {ADDRESS}", "Connection: close", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json"] if body else []
    lines += [f"If-Match: {etag}"] if etag else []
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Bytes:
    """A stand-in for the socket that http.client reads an answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, *modes: Any) -> io.BytesIO:
        return io.BytesIO(self._content)


def parse_answer(output: bytes, where: str) -> Answer:
    """The answer that nc printed. Raises: RemoteError with its text where it is no HTTP."""
    if not output.startswith(b"HTTP/"):
        said = output.decode("utf-8", "replace").strip()
        is_missing = "executable file not found" in said or "no such file" in said
        what = f"Caddy does not answer: {said[-300:] or 'nc printed nothing'}"
        if is_missing:
            raise RemoteError(what, where=where, hint=_NO_NC)
        raise _NoAnswer(what, where=where, retryable=True)
    response = http.client.HTTPResponse(_Bytes(output))  # type: ignore[arg-type]
    try:
        response.begin()
        return Answer(response.status, response.getheader("Etag", ""), response.read())
    except (http.client.HTTPException, ValueError) as error:
        raise _NoAnswer(f"the answer of Caddy is cut off: {error}", where=where, retryable=True) from None
    finally:
        response.close()


def _message(answer: Answer) -> str:
    try:
        found = parse_json(answer.content)
    except ValueError:
        found = {}
    said = found.get("error") if isinstance(found, dict) else ""
    return f"Caddy answers {answer.status}" + (f": {said}" if said else "")
