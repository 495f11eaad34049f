"""Answering a registry's challenge: Basic, or a token from the realm it names.

Source: distribution.github.io/distribution/spec/auth (token, oauth, scope); RFC 9110, section 11.6.1.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.http.exchange import Answer
from shipit.http.leads import MOST_REDIRECTS, REDIRECTS, is_inside, is_same_origin, lead, origin_of
from shipit.http.statuses import refusal
from shipit.http.transport import Transport
from shipit.registry.credentials import Credentials
from shipit.threads import Once

# How long a token lives that does not say, and the longest that is believed.
LEAST_LIFETIME_S, LONGEST_LIFETIME_S = 60.0, 24 * 3600.0
# What may stand in a header, and as much as any registry gives.
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")
_LONGEST_CHALLENGE = 4096


class Challenge(NamedTuple):
    """A WWW-Authenticate header: its scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


def parse_challenge(header: str) -> Challenge:
    """The challenge to answer of those in a header: one for a token, else one for a password, else the first. Pure."""
    header = header[:_LONGEST_CHALLENGE]
    # What is quoted may look like anything: it is blanked to find where each challenge begins.
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', lambda quoted: "_" * len(quoted[0]), header)
    begins = [found.start(1) for found in re.finditer(r"(?:^|,)\s*([a-zA-Z]+)(?![^\s,])(?!\s*=)", plain)]
    texts = [header[begin:end] for begin, end in pairwise((*begins, len(header)))]
    challenges = [_challenge(text) for text in texts] or [Challenge("", {})]
    return min(challenges, key=lambda one: {"bearer": 0, "basic": 1}.get(one.scheme, 2))


def _challenge(text: str) -> Challenge:
    scheme, _, rest = text.strip(" \t,").partition(" ")
    found = re.findall(r'([a-zA-Z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', rest)
    return Challenge(scheme.lower(), {key.lower(): quoted or bare for key, quoted, bare in found})


@dataclass
class Authenticator:
    """Gives the Authorization header for a set of scopes; asks the realm once per set, whoever asks first."""

    host: str
    http: Transport
    clock: Clock
    credentials: Credentials | None
    challenge: Challenge | None = None
    challenger: Answer | None = None
    _tokens: dict[tuple[str, ...], tuple[str, float]] = field(default_factory=dict)
    _asked: Once[tuple[str, ...], str] = field(default_factory=Once)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def header(self, scopes: tuple[str, ...]) -> dict[str, str]:
        """The header to send, which may be empty while nobody has asked for one."""
        if self.challenge is None:
            return self._basic() if self.credentials and self.credentials.preemptive else {}
        if self.challenge.scheme == "basic":
            return self._basic()
        if not (token := self._token(scopes)):
            ask = partial(self._renewed, self.challenge, scopes)
            token = self._asked.get(scopes, ask, self.http.deadline, f"a token for {self.host}")
            self._asked.forget(scopes)
        return {"Authorization": f"Bearer {token}"}

    def _token(self, scopes: tuple[str, ...]) -> str:
        """The token that was given for a set of scopes; empty where none was, or it is old."""
        with self._lock:
            token, expires = self._tokens.get(scopes, ("", 0.0))
        return token if self.clock.now() < expires else ""

    def _renewed(self, challenge: Challenge, scopes: tuple[str, ...]) -> str:
        # Who waited for another one's answer and comes late finds it here.
        if token := self._token(scopes):
            return token
        token, lifetime = self._fetch(challenge, scopes)
        with self._lock:
            # Renewed a little early: ten seconds, or a fifth of what lives shorter.
            self._tokens[scopes] = (token, self.clock.now() + lifetime - min(10.0, lifetime / 5))
        return token

    def has_token(self, scopes: tuple[str, ...]) -> bool:
        """Whether the realm gave a token for a set of scopes."""
        return scopes in self._tokens

    def challenged(self, answer: Answer, scopes: tuple[str, ...], *, sent: Mapping[str, str]) -> bool:
        """Take note of a 401 to a request that had the headers `sent`; whether asking again may help.

        It may where nothing was sent, since another thread may have learnt the challenge meanwhile, and for a token.
        """
        challenge = parse_challenge(answer.header("WWW-Authenticate"))
        self.challenge, self.challenger = challenge, answer
        if challenge.scheme == "bearer":
            with self._lock:
                token, _ = self._tokens.get(scopes, ("", 0.0))
                # What another thread renewed since then is kept.
                if sent.get("Authorization") == f"Bearer {token}":
                    self._tokens.pop(scopes, None)
            return True
        return challenge.scheme == "basic" and self.credentials is not None and "Authorization" not in sent

    def _basic(self) -> dict[str, str]:
        if not self.credentials or not self.credentials.username:
            return {}
        pair = f"{self.credentials.username}:{self.credentials.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _fetch(self, challenge: Challenge, scopes: tuple[str, ...]) -> tuple[str, float]:
        realm, service = challenge.parameters.get("realm", ""), challenge.parameters.get("service", "")
        check_realm(self.challenger.request.url if self.challenger else f"https://{self.host}/", realm, self.host)
        answer: Answer | None = None
        if self.credentials and self.credentials.identity_token:
            form = (
                ("grant_type", "refresh_token"),
                ("service", service),
                ("client_id", "shipit"),
                ("scope", " ".join(scopes)),
                ("refresh_token", self.credentials.identity_token),
            )
            answer = self.http.send("POST", realm, form=form, led_by=self.challenger)
        if answer is None or answer.status in (404, 405, *REDIRECTS):
            query = [("service", service), *(("scope", scope) for scope in scopes)]
            headers = self._basic()
            named = [(key, value) for key, value in query if value]
            answer = self._at_realm(self.http.send("GET", realm, query=named, headers=headers, led_by=self.challenger))
        if answer.status in (401, 403):
            raise refused(answer, self.host, self.credentials)
        if answer.status != 200:
            raise refusal(answer)
        token, lifetime_s = parse_token(answer)
        return self.http.environment.redactor.learn(token), lifetime_s

    def _at_realm(self, answer: Answer) -> Answer:
        """The answer that a realm's redirects lead to; the password goes to no other place than the realm."""
        for _ in range(MOST_REDIRECTS):
            location = answer.header("Location")
            if answer.status not in REDIRECTS or not location:
                return answer
            url = lead(answer.request.url, location)
            headers = self._basic() if is_same_origin(url, answer.request.url) else {}
            answer = self.http.send("GET", url, headers=headers, led_by=answer)
        raise RemoteError("leads from one place to another and on", where=answer.request.shown)


def check_realm(asked: str, realm: str, host: str) -> None:
    """That a token may be fetched from a realm: over https, or from a registry that is asked without, on the same host.

    Raises: RemoteError. Pure.
    """
    try:
        own, other = origin_of(asked), origin_of(realm)
    except ValueError:
        raise RemoteError(f"names a token realm that is not https: {realm!r}", where=host) from None
    is_own = own[0] == "http" and (own[1] == other[1] or (is_inside(own[1]) and is_inside(other[1])))
    if other[0] != "https" and not is_own:
        raise RemoteError(f"names a token realm that is not https: {realm!r}", where=host)
    if is_inside(other[1]) and not is_inside(own[1]):
        raise RemoteError(f"names a token realm on this machine or its link: {realm!r}", where=host)


def parse_token(answer: Answer) -> tuple[str, float]:
    """The token in a realm's answer, and how many seconds it lives. Raises: RemoteError."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    found = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
    if not isinstance(found, str) or not _TOKEN.fullmatch(found):
        raise RemoteError("the answer should hold a token", where=answer.request.shown)
    lifetime_s = body.get("expires_in")
    is_number = isinstance(lifetime_s, int | float) and not isinstance(lifetime_s, bool) and lifetime_s > 0
    return found, min(float(lifetime_s), LONGEST_LIFETIME_S) if is_number else LEAST_LIFETIME_S


def refused(answer: Answer, host: str, credentials: Credentials | None) -> RemoteError:
    """The error for credentials that a registry does not accept, or for having none."""
    if credentials is None:
        return refusal(answer, what="needs credentials, and none were found", hint=f"shipit login {host}")
    who = f"user {credentials.username!r}" if credentials.username else "the token"
    origin = f" from {credentials.origin}" if credentials.origin else ""
    return refusal(answer, what=f"refused {who}{origin}", hint=f"check that it may push there, or shipit login {host}")
