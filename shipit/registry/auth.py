"""Logging in to a registry: Basic, or a token from the realm that its challenge names.

Source: distribution.github.io/distribution/spec/auth (token, oauth, scope).
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from shipit.errors import RemoteError
from shipit.http.authorized import FixedAuth, authorized
from shipit.http.messages import Answer, Request, make_request
from shipit.http.redirects import REDIRECTS, redirected
from shipit.http.statuses import refusal
from shipit.http.transport import Transport
from shipit.http.urls import is_same_origin
from shipit.registry.challenge import Challenge, check_realm, parse_challenge
from shipit.registry.credentials import Credentials
from shipit.registry.token import parse_granted, parse_token
from shipit.threads import Once

Scopes = tuple[str, ...]


@dataclass
class Authenticator:
    """Gives the Authorization header for a set of scopes; asks the realm once per set, whichever thread asks first."""

    host: str
    http: Transport
    credentials: Credentials | None
    challenge: Challenge | None = None
    challenger: Answer | None = None
    _tokens: dict[Scopes, tuple[str, float]] = field(default_factory=dict)
    _asked: Once[Scopes, str] = field(default_factory=Once)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_pinged: bool = False

    def header(self, scopes: Scopes) -> dict[str, str]:
        """The header to send; empty while the registry has not asked for one."""
        if self.challenge is None:
            return self._basic() if self.credentials and self.credentials.preemptive else {}
        if self.challenge.scheme == "basic":
            return self._basic()
        if not (token := self._token(scopes)):
            ask = partial(self._renewed, self.challenge, scopes)
            token = self._asked.get(scopes, ask, self.http.deadline, f"a token for {self.host}")
            self._asked.forget(scopes)
        return {"Authorization": f"Bearer {token}"}

    def has_token(self, scopes: Scopes) -> bool:
        """Whether the realm issued a token for a set of scopes."""
        return scopes in self._tokens

    def may_grant(self, scope: str) -> bool:
        """Whether a token that was issued may grant a scope, such as `repository:me/shop:pull,push`.

        Realms issue tokens with fewer rights than were asked for, and write those into them. True where there is no token,
        or one that does not say.
        """
        with self._lock:
            tokens = [token for scopes, (token, _) in self._tokens.items() if scope in scopes]
        granted = next(map(parse_granted, tokens), None)
        return granted is None or scope in granted

    def challenged(self, answer: Answer, scopes: Scopes) -> bool:
        """Learn the challenge of an answer; whether sending the request again may succeed.

        A registry that has its challenge at `/v2/` only is asked there, once.
        """
        if answer.status == 401 and answer.header("WWW-Authenticate"):
            return self._learn(answer, scopes, answer.request.headers)
        if answer.status not in (401, 403, 404) or self.challenge is not None or self._is_pinged:
            return False
        if answer.status != 401 and (self.credentials is None or self.credentials.preemptive):
            # Nobody is logged in, or the credentials were sent already.
            return False
        self._is_pinged = True
        parts = urlsplit(answer.request.url)
        ping = self.http.send("GET", f"{parts.scheme}://{parts.netloc}/v2/")
        return ping.status == 401 and self._learn(ping, scopes, {})

    def _learn(self, answer: Answer, scopes: Scopes, sent: Mapping[str, str]) -> bool:
        """Keep the challenge of a 401 to a request with the headers `sent`; whether sending it again may succeed."""
        challenge = parse_challenge(answer.header("WWW-Authenticate"))
        self.challenge, self.challenger = challenge, answer
        if challenge.scheme == "bearer":
            with self._lock:
                token, _ = self._tokens.get(scopes, ("", 0.0))
                # A token that another thread renewed meanwhile is kept.
                if sent.get("Authorization") == f"Bearer {token}":
                    self._tokens.pop(scopes, None)
            return True
        return challenge.scheme == "basic" and self.credentials is not None and "Authorization" not in sent

    def _token(self, scopes: Scopes) -> str:
        """The token that was issued for a set of scopes; empty where there is none, or it expired."""
        with self._lock:
            token, expires = self._tokens.get(scopes, ("", 0.0))
        return token if self.http.deadline.clock.now() < expires else ""

    def _renewed(self, challenge: Challenge, scopes: Scopes) -> str:
        # A thread that waited for another one finds its token here.
        if token := self._token(scopes):
            return token
        token, lifetime = self._fetch(challenge, scopes)
        with self._lock:
            # Renewed early: by ten seconds, or a fifth of a shorter lifetime.
            self._tokens[scopes] = (token, self.http.deadline.clock.now() + lifetime - min(10.0, lifetime / 5))
        return token

    def _basic(self) -> dict[str, str]:
        if not self.credentials or not self.credentials.username:
            return {}
        pair = f"{self.credentials.username}:{self.credentials.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _fetch(self, challenge: Challenge, scopes: Scopes) -> tuple[str, float]:
        realm, service = challenge.parameters.get("realm", ""), challenge.parameters.get("service", "")
        check_realm(self.challenger.request.url if self.challenger else f"https://{self.host}/", realm, self.host)
        answer = self._exchange(realm, service, scopes)
        if answer is None or answer.status in (404, 405, *REDIRECTS):
            query = [("service", service), *(("scope", scope) for scope in scopes)]
            named = [(key, value) for key, value in query if value]
            # The password goes to the realm itself, and to no other place that it redirects to.
            ask = redirected(authorized(self.http.answer, FixedAuth(realm, self._basic())))
            answer = ask(make_request("GET", realm, query=named, led_by=self.challenger))
        if answer.status in (401, 403):
            raise refused(answer, self.host, self.credentials, scopes)
        if answer.status != 200:
            raise refusal(answer)
        token, lifetime_s = parse_token(answer)
        return self.http.environment.redactor.learn(token), lifetime_s

    def _exchange(self, realm: str, service: str, scopes: Scopes) -> Answer | None:
        """The realm's answer to an identity token; None where there is none."""
        if not self.credentials or not self.credentials.identity_token:
            return None
        form = (
            ("grant_type", "refresh_token"),
            ("service", service),
            ("client_id", "shipit"),
            ("scope", " ".join(scopes)),
            ("refresh_token", self.credentials.identity_token),
        )
        return self.http.send("POST", realm, form=form, led_by=self.challenger)


class ScopedAuth:
    """The authorization of requests for some scopes: our login at the registry at `base`, an anonymous token elsewhere.

    Some registries redirect to another one, which has its own tokens.
    """

    def __init__(self, own: Authenticator, base: str, scopes: Scopes) -> None:
        self._own, self._base, self._scopes = own, base, scopes
        self._other: tuple[str, Authenticator, Scopes] | None = None

    def headers(self, request: Request) -> Mapping[str, str]:
        if is_same_origin(request.url, self._base):
            return self._own.header(self._scopes)
        if self._other and is_same_origin(request.url, self._other[0]):
            return self._other[1].header(self._other[2])
        return {}

    def challenged(self, answer: Answer) -> bool:
        url = answer.request.url
        if is_same_origin(url, self._base):
            return self._own.challenged(answer, self._scopes)
        if answer.status != 401 or self._other is not None or not answer.header("WWW-Authenticate"):
            return False
        other = Authenticator(urlsplit(url).netloc, self._own.http, None)
        may_help = other.challenged(answer, self._scopes)
        named = other.challenge.parameters.get("scope", "") if other.challenge else ""
        self._other = (url, other, tuple(named.split()) or self._scopes)
        return may_help


def rights_of(scopes: Scopes) -> str:
    """What a request for these scopes needs the right to: `delete from`, `push to` or `pull from`; empty without scopes."""
    if any(scope.endswith(":delete") for scope in scopes):
        return "delete from"
    return "push to" if any(scope.endswith("push") for scope in scopes) else "pull from" if scopes else ""


def refused(answer: Answer, host: str, credentials: Credentials | None, scopes: Scopes) -> RemoteError:
    """The error for credentials that a registry does not accept, or for having none."""
    if credentials is None:
        return refusal(answer, what="needs credentials, and none were found", hint=f"shipit login {host}")
    who = f"user {credentials.username!r}" if credentials.username else "the token"
    origin = f" from {credentials.origin}" if credentials.origin else ""
    rights = {
        "delete from": "check that it may delete there, or ",
        "push to": "check that it may push there, or ",
        "pull from": "check that it may pull from there, or ",
    }
    hint = f"{rights.get(rights_of(scopes), '')}shipit login {host}"
    return refusal(answer, what=f"refused {who}{origin}", hint=hint)
