"""Requests to one registry: its scheme, login, redirects, retries, and the errors for what it refuses.

Source: OCI distribution-spec 1.1; Docker Registry HTTP API v2.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from shipit.errors import RemoteError
from shipit.events import Emit, Warned
from shipit.http.authorized import authorized
from shipit.http.failures import WithoutTls
from shipit.http.messages import Answer, Pairs, Request, make_request
from shipit.http.proxy import is_loopback
from shipit.http.redirects import redirected
from shipit.http.retry import ATTEMPTS, retrying
from shipit.http.statuses import refusal
from shipit.http.transport import Transport
from shipit.reference import DOCKER_HUB
from shipit.registry.auth import Authenticator, ScopedAuth, Scopes, refused, rights_of
from shipit.registry.credentials import Credentials
from shipit.registry.limit import parse_limit
from shipit.threads import Once

# How long to wait for a loopback address to show whether it uses TLS, in seconds.
_PROBE_S = 10.0


class RegistryWire:
    """Sends requests to one registry. Safe to use from several threads. Paths are below `/v2/REPOSITORY/`."""

    def __init__(
        self, host: str, http: Transport, emit: Emit, credentials: Credentials | None, *, is_insecure: bool = False
    ) -> None:
        self.is_insecure = is_insecure
        self.host = host
        self.http = http
        self.emit = emit
        self.auth = Authenticator(host, http, credentials)
        self._base: Once[str, str] = Once()
        self._is_warned = False

    @property
    def base(self) -> str:
        """`scheme://host` of the registry: https; http on a loopback address without TLS, and with `insecure: true`."""
        name = "registry-1.docker.io" if self.host == DOCKER_HUB else self.host
        if self.is_insecure:
            return f"http://{name}"
        if not is_loopback(urlsplit(f"//{name}").hostname or ""):
            return f"https://{name}"
        return self._base.get(name, partial(self._probed, name), self.http.deadline, f"{name}, whether it speaks TLS")

    def ask(
        self,
        method: str,
        repository: str,
        path: str,
        *,
        ok: tuple[int, ...],
        push: bool = False,
        also: str = "",
        deletes: bool = False,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        query: Pairs = (),
        stream: bool = False,
        attempts: int = ATTEMPTS,
    ) -> Answer:
        """An answer with a status in `ok`: login, redirects and retries are done here.

        `also` is another repository that is read from. `attempts` is 1 where the caller retries.
        Raises: RemoteError, DeadlinePassed, Interrupted.
        """
        scopes = scopes_of(repository, push=push, also=also, deletes=deletes)
        deadline = self.http.deadline if stream else self.http.limited
        more = {"headers": headers, "body": body, "query": query, "stream": stream, "deadline": deadline}

        def once() -> Answer:
            request = make_request(method, f"{self.base}/v2/{repository}/{path}", **more)
            try:
                answer = self.answer(request, scopes, accepted=ok)
            except WithoutTls as error:
                error.hint = f"if {self.host} is on your own network and has no TLS, set insecure: true on the image"
                raise
            self._watch_limit(answer)
            if answer.status not in ok:
                raise self.error(answer, scopes)
            return answer

        return retrying(once, deadline=deadline, emit=self.emit, attempts=attempts)

    def answer(self, request: Request, scopes: Scopes, *, accepted: Collection[int] = ()) -> Answer:
        """The answer to one request, with our authorization where it is for this registry, and redirects followed."""
        auth = ScopedAuth(self.auth, self.base, scopes)
        return redirected(authorized(self.http.answer, auth), accepted=accepted)(request)

    def error(self, answer: Answer, scopes: Scopes) -> RemoteError:
        """The error for a status that was not accepted of a request for some scopes, with what the registry says of it."""
        status, message = answer.status, _message(answer)
        if status == 401:
            return refused(answer, self.host, self.auth.credentials, scopes)
        if status == 403:
            rights = f"check the repository's name and that you may {rights_of(scopes)} it, or " if scopes else ""
            hint = f"{rights}shipit login {self.host}"
        elif status == 404:
            hint = "check the repository's name"
        elif status == 429:
            limit = parse_limit(answer.header("ratelimit-limit"), answer.header("ratelimit-remaining"))
            message += f"{', ' if message else ''}{limit}" if limit else ""
            hint = "wait" if self.auth.credentials else f"wait, or shipit login {self.host} for a higher limit"
        else:
            hint = ""
        return refusal(answer, message, hint=hint)

    def _watch_limit(self, answer: Answer) -> None:
        """Warn once when few pulls are left."""
        limit = parse_limit(answer.header("ratelimit-limit"), answer.header("ratelimit-remaining"))
        if limit is None or self._is_warned or limit.remaining > max(limit.total // 10, 5):
            return
        self._is_warned = True
        hint = "" if self.auth.credentials else f"; shipit login {self.host} raises the limit"
        self.emit(Warned("", f"{self.host} allows {limit} more{hint}"))

    def _probed(self, name: str) -> str:
        """The base of a loopback address. Never raises for a server that fails: the request itself does then."""
        plain, secured = f"http://{name}", f"https://{name}"
        try:
            answer = retrying(
                lambda: self.http.send("GET", f"{plain}/v2/", read_s=_PROBE_S),
                deadline=self.http.deadline,
                emit=self.emit,
                attempts=2,
            )
        except RemoteError:
            # A server with TLS may close the connection; servers written in Go answer 400.
            try:
                self.http.send("GET", f"{secured}/v2/", read_s=_PROBE_S)
            except RemoteError as error:
                if error.retryable:
                    return plain
            return secured
        return secured if answer.status == 400 else plain


def scopes_of(repository: str, *, push: bool, also: str = "", deletes: bool = False) -> tuple[str, ...]:
    """The scopes of a token. Source: distribution.github.io/distribution/spec/auth/scope."""
    own = f"repository:{repository}:{'delete' if deletes else 'pull,push' if push else 'pull'}"
    return (own, f"repository:{also}:pull") if also else (own,)


def _message(answer: Answer) -> str:
    """`CODE message` of a registry's error body; empty where there is none. Source: OCI distribution-spec 1.1, "Error Codes"."""
    try:
        error = answer.json()["errors"][0]
        return f"{error.get('code', '')} {error.get('message', '')}".strip()
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RemoteError):
        return ""
