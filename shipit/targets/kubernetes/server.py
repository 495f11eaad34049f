"""One API server: requests within a deadline, and the resources of its kinds."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlencode

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.http.authorized import authorized
from shipit.http.failures import Untrusted
from shipit.http.fields import Field
from shipit.http.messages import Answer, Request
from shipit.http.pace import LEAST_RATE
from shipit.http.statuses import refusal
from shipit.http.transport import Transport
from shipit.http.websocket import WebSocket, open_websocket
from shipit.targets.kubernetes.admission import admission_hint
from shipit.targets.kubernetes.identity import Identity
from shipit.targets.kubernetes.kubeconfig import KubeContext

SILENCE_S = 30.0
_PLURAL = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_HINTS = {
    401: "the credentials of this context are not accepted: log in again",
    409: "someone changed it at the same time: deploy again",
    422: "correct the field it names",
}
Query = Mapping[str, str | int]


class Resource(NamedTuple):
    """The name of a kind in paths, and whether its objects belong to a namespace."""

    plural: str
    is_namespaced: bool


class ApiServer:
    """The server of a context, with its login. Thread-safe; connections are kept until `close`."""

    def __init__(self, context: KubeContext, environment: ProcessEnvironment) -> None:
        self.context = context
        self.url = context.server
        self._environment = environment
        self._identity = Identity(context, environment)
        self._impersonating = context.login.impersonation.headers()
        self._transport: Transport | None = None
        self._resources: dict[str, dict[str, Resource]] = {}
        self._discovering: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            if self._transport is not None:
                self._transport.close()
            self._transport = None
            self._identity.close()

    def send(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        stream: bool = False,
        read_s: float = SILENCE_S,
        least_rate: int = LEAST_RATE,
    ) -> Answer:
        """Send one request, with new credentials where the first were not accepted. Any status is an answer.

        `read_s` and `least_rate` are those of Request.

        Raises: RemoteError, DeadlinePassed, Interrupted.
        """
        url = self.url + path + (f"?{_encoded(tuple(query.items()))}" if query else "")
        headers = {"Accept": accept, **({"Content-Type": content_type} if body is not None else {})}
        request = Request(
            method,
            url,
            headers,
            body,
            stream=stream,
            read_s=read_s,
            deadline=deadline,
            least_rate=least_rate,
            repeated=self._impersonating,
        )
        return authorized(self._answer, self)(request)

    def websocket(
        self, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str], deadline: Deadline
    ) -> WebSocket:
        """A WebSocket to a subresource such as exec. Raises: RemoteError when the server refuses it."""
        url = f"{self.url}{path}?{urlencode(query)}"
        request = Request("GET", url, read_s=SILENCE_S, deadline=deadline, repeated=self._impersonating)
        opened = open_websocket(authorized(self._answer, self), request, protocols)
        if isinstance(opened, WebSocket):
            return opened
        with opened:
            raise error_of(opened)

    def headers(self, request: Request) -> Mapping[str, str]:
        """The Authorization header of the context's login; its plugin is run when it has none that is valid."""
        with self._lock:
            return self._identity.header(request.deadline or Deadline(Clock()))

    def challenged(self, answer: Answer) -> bool:
        """Whether there may be other credentials than those that the server refused; connections with those are closed."""
        if answer.status != 401:
            return False
        with self._lock:
            has_certificate = self._identity.has_plugin_certificate
            is_renewed = self._identity.renew(answer.request.headers.get("Authorization", ""))
            if is_renewed and has_certificate and self._transport is not None:
                self._transport.close()
                self._transport = None
        return is_renewed

    def _answer(self, request: Request) -> Answer:
        transport = self._ready(request.deadline or Deadline(Clock()))
        try:
            return transport.answer(request)
        except Untrusted as error:
            error.hint = "check certificate-authority in the kubeconfig"
            raise
        except RemoteError as error:
            raise _unreachable(error) from error

    def resources(self, prefix: str, deadline: Deadline, *, is_fresh: bool = False) -> dict[str, Resource]:
        """Kind -> resource of a group and version, `/api/v1` or `/apis/GROUP/VERSION`; empty where there is no such.

        With `is_fresh` the server is asked again: it may serve more kinds now.
        """
        with self._lock:
            discovering = self._discovering.setdefault(prefix, threading.Lock())
        with discovering:
            if is_fresh:
                self._resources.pop(prefix, None)
            return self._discovered(prefix, deadline)

    def _discovered(self, prefix: str, deadline: Deadline) -> dict[str, Resource]:
        if prefix not in self._resources:
            answer = self.send("GET", prefix, deadline)
            if answer.status == 404:
                return {}
            if answer.status != 200:
                raise error_of(answer)
            rows = [row for row in parsed(answer)["resources"].rows() if "/" not in row["name"].text()]
            self._resources[prefix] = {row["kind"].required(): _resource(row) for row in rows}
        return self._resources[prefix]

    def _ready(self, deadline: Deadline) -> Transport:
        with self._lock:
            if self._transport is None:
                tls = self._identity.tls(deadline) if self.url.startswith("https") else None
                self._transport = Transport(self._environment, tls=tls, proxy=self.context.proxy or None)
            return self._transport


@lru_cache(256)
def _encoded(query: tuple[tuple[str, str | int], ...]) -> str:
    """A query as text: a deploy has the same few for all its objects."""
    return urlencode(query)


def checked(answer: Answer) -> Answer:
    """The same answer. Raises: RemoteError when its status is a failure."""
    if not 200 <= answer.status < 300:
        raise error_of(answer)
    return answer


def parsed(answer: Answer) -> Field:
    """The JSON of an answer. Raises: RemoteError when its status is a failure, or it is no JSON object."""
    checked(answer)
    try:
        value = answer.json()
    except ValueError:
        what, hint = "the answer should be JSON", "is this the API server?"
        raise RemoteError(what, where=answer.request.shown, hint=hint) from None
    part = Field(value, answer.request.shown)
    part.map()
    return part


def error_of(answer: Answer) -> RemoteError:
    """The error for an answer, with the API server's own message."""
    what = _message(answer)
    forbidden = {403: f"ask for the right to {answer.request.method} there, or use another context"}
    # A failure of the server itself may be that of a webhook.
    hint = admission_hint(what) if answer.status == 500 else ""
    return refusal(answer, what=what, hint={**_HINTS, **forbidden}.get(answer.status, hint))


# Reasons of the API server for a Service or pod that its proxy can't reach; an answer of the app is no Status.
OWN_REASONS = ("ServiceUnavailable", "InternalError", "Timeout", "ServerTimeout")


def reason_of(answer: Answer) -> str:
    """The machine-readable reason of a Status that the API server itself answered; empty for anything else.

    Source: Kubernetes API reference, meta/v1 Status.
    """
    if answer.status < 400:
        return ""
    try:
        part = Field(answer.json(), answer.request.shown)
        return part["reason"].text() if part["kind"].text() == "Status" else ""
    except (ValueError, RemoteError):
        return ""


def _message(answer: Answer) -> str:
    try:
        return Field(answer.json(), answer.request.shown)["message"].text()
    except (ValueError, RemoteError):
        return ""


def _resource(row: Field) -> Resource:
    plural = row["name"].text()
    if not _PLURAL.fullmatch(plural):
        raise row["name"].wrong("should be the name of a resource")
    return Resource(plural, row["namespaced"].flag())


def _unreachable(error: RemoteError) -> RemoteError:
    """The error of a request that got no answer, with a hint for clusters."""
    hint = "is it running? check it with kubectl cluster-info"
    if not error.retryable:
        return error
    return RemoteError(
        f"the cluster can't be reached: {error.what}", where=error.where, hint=hint, retryable=True, detail=error.detail
    )
