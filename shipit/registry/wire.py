"""How one registry is asked: its scheme, its challenges, what may be asked again, what its errors mean.

Source: OCI distribution-spec 1.1; Docker Registry HTTP API v2.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.events import Emit, Warned
from shipit.http.exchange import Answer
from shipit.http.failures import WithoutTls
from shipit.http.leads import MOST_REDIRECTS, REDIRECTS, is_same_origin, lead
from shipit.http.proxy import is_loopback
from shipit.http.retry import ATTEMPTS, retrying
from shipit.http.statuses import refusal
from shipit.http.transport import Pairs, Transport
from shipit.reference import DOCKER_HUB
from shipit.registry.auth import Authenticator, refused
from shipit.registry.body import FilePart
from shipit.registry.credentials import Credentials
from shipit.registry.limit import parse_limit
from shipit.threads import Once

# How long a loopback address may take to show whether it speaks TLS, in seconds.
_PROBE_S = 10.0


class RegistryWire:
    """Safe to use from several threads. Paths are below `/v2/REPOSITORY/`."""

    def __init__(
        self,
        host: str,
        http: Transport,
        clock: Clock,
        emit: Emit,
        credentials: Credentials | None,
        *,
        is_insecure: bool = False,
    ) -> None:
        self.is_insecure = is_insecure
        self.host = host
        self.http = http
        self.clock = clock
        self.emit = emit
        self.auth = Authenticator(host, http, clock, credentials)
        self._base: Once[str, str] = Once()
        self._is_warned = self._is_pinged = False

    @property
    def base(self) -> str:
        """`scheme://host` to ask: https, but plain http on a loopback address without TLS, or where `insecure: true` says so."""
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
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        query: Pairs = (),
        stream: bool = False,
        attempts: int = ATTEMPTS,
    ) -> Answer:
        """An answer with a status of `ok`: a challenge is answered once, and what may pass is asked again.

        `also` is a repository that is read from besides. `attempts` is 1 where the caller tries again by itself.
        Raises: RemoteError, DeadlinePassed, Interrupted.
        """
        scopes = scopes_of(repository, push=push, also=also)
        deadline = self.http.deadline if stream else self.http.limited
        more = {"headers": headers, "body": body, "query": query, "stream": stream, "deadline": deadline}

        def once() -> Answer:
            url = f"{self.base}/v2/{repository}/{path}"
            try:
                answer = self.authorized(method, url, scopes, **more)
            except WithoutTls as error:
                error.hint = f"if {self.host} is on your own network and has no TLS, set insecure: true on the image"
                raise
            if answer.status not in ok:
                answer = self.followed(answer, scopes, stream=stream, deadline=deadline)
            self._watch_limit(answer)
            if answer.status not in ok:
                raise self.error(answer)
            return answer

        return retrying(once, deadline=deadline, emit=self.emit, attempts=attempts)

    def authorized(
        self, method: str, url: str, scopes: tuple[str, ...], *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        """Send a request with what we know of the registry's wishes, and once more when it tells them."""
        sent = {**(headers or {}), **self.auth.header(scopes)}
        answer = self.http.send(method, url, headers=sent, **more)
        if self._is_challenged(answer, scopes, sent):
            sent = {**(headers or {}), **self.auth.header(scopes)}
            answer = self.http.send(method, url, headers=sent, **more)
        return answer

    def followed(self, answer: Answer, scopes: tuple[str, ...], **more: Any) -> Answer:
        """The answer that a redirect leads to in the end; our authorization goes to the registry itself only.

        What is changed is sent on by 307 and 308 only. Source: RFC 9110, section 15.4.
        """
        for _ in range(MOST_REDIRECTS):
            method = answer.request.method
            may_follow = answer.status in ((307, 308) if method not in ("GET", "HEAD") else REDIRECTS)
            if not may_follow or not (location := answer.header("Location")):
                return answer
            url = self.located(answer, location)
            sent = {name: value for name, value in answer.request.headers.items() if name.lower() != "authorization"}
            body = answer.request.body
            if isinstance(body, FilePart):
                body.rewind()
            more = {**more, "query": (), "body": body, "led_by": answer}
            answer = self.http.send(method, url, headers={**sent, **self._header_at(url, scopes)}, **more)
            if answer.status == 401 and not is_same_origin(url, self.base) and body is None:
                answer = self.http.send(method, url, headers={**sent, **self._anonymous(answer, scopes)}, **more)
        raise RemoteError("leads from one place to another and on", where=answer.request.shown)

    def located(self, answer: Answer, location: str) -> str:
        """The URL that an answer leads to. Raises: RemoteError where it may not lead there."""
        try:
            return lead(answer.request.url, location)
        except RemoteError as error:
            error.where = answer.request.shown
            raise

    def own_header(self, repository: str, url: str) -> dict[str, str]:
        """Our authorization, where a URL that a registry gave is still its own."""
        return self._header_at(url, scopes_of(repository, push=True))

    def _header_at(self, url: str, scopes: tuple[str, ...]) -> dict[str, str]:
        return self.auth.header(scopes) if is_same_origin(url, self.base) else {}

    def _anonymous(self, answer: Answer, scopes: tuple[str, ...]) -> dict[str, str]:
        """A token of the place that a redirect leads to, for nobody: some registries hand out images of another one."""
        there = Authenticator(urlsplit(answer.request.url).netloc, self.http, self.clock, None)
        if not there.challenged(answer, scopes, sent={}):
            return {}
        return there.header(tuple(there.challenge.parameters.get("scope", "").split()) or scopes)  # type: ignore[union-attr]

    def _is_challenged(self, answer: Answer, scopes: tuple[str, ...], sent: Mapping[str, str]) -> bool:
        """Whether asking again may help; a registry that tells of its challenge at `/v2/` only is asked there, once."""
        if answer.status == 401 and answer.header("WWW-Authenticate"):
            return self.auth.challenged(answer, scopes, sent=sent)
        if answer.status not in (401, 403, 404) or self.auth.challenge is not None or self._is_pinged:
            return False
        if answer.status != 401 and (self.auth.credentials is None or self.auth.credentials.preemptive):
            # Nobody is logged in, or the credentials were sent already.
            return False
        self._is_pinged = True
        ping = self.http.send("GET", f"{self.base}/v2/")
        return ping.status == 401 and self.auth.challenged(ping, scopes, sent={})

    def error(self, answer: Answer) -> RemoteError:
        """The error for a status that was not accepted, with what the registry says of it."""
        status, message = answer.status, _message(answer)
        if status == 401:
            return refused(answer, self.host, self.auth.credentials)
        if status == 403:
            hint = f"check the repository's name and that you may push to it, or shipit login {self.host}"
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
        """Say once that few pulls are left, before there are none."""
        limit = parse_limit(answer.header("ratelimit-limit"), answer.header("ratelimit-remaining"))
        if limit is None or self._is_warned or limit.remaining > max(limit.total // 10, 5):
            return
        self._is_warned = True
        hint = "" if self.auth.credentials else f"; shipit login {self.host} raises the limit"
        self.emit(Warned("", f"{self.host} allows {limit} more{hint}"))

    def _probed(self, name: str) -> str:
        plain, secured = f"http://{name}", f"https://{name}"
        try:
            answer = retrying(
                lambda: self.http.send("GET", f"{plain}/v2/", read_s=_PROBE_S),
                deadline=self.http.deadline,
                emit=self.emit,
                attempts=2,
            )
        except RemoteError:
            # A server that speaks TLS only may hang up, where Go's answer 400.
            try:
                self.http.send("GET", f"{secured}/v2/", read_s=_PROBE_S)
            except RemoteError as error:
                if error.retryable:
                    return plain
            return secured
        return secured if answer.status == 400 else plain


def scopes_of(repository: str, *, push: bool, also: str = "") -> tuple[str, ...]:
    """The scopes of a token. Source: distribution.github.io/distribution/spec/auth/scope."""
    own = f"repository:{repository}:{'pull,push' if push else 'pull'}"
    return (own, f"repository:{also}:pull") if also else (own,)


def _message(answer: Answer) -> str:
    """`CODE message` of a registry's error body; empty where there is none. Source: OCI distribution-spec 1.1, "Error Codes"."""
    try:
        error = answer.json()["errors"][0]
        return f"{error.get('code', '')} {error.get('message', '')}".strip()
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RemoteError):
        return ""
