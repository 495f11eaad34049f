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
from urllib.parse import urlsplit

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.http.exchange import Answer
from shipit.http.failures import shown
from shipit.http.proxy import is_loopback
from shipit.http.retry import parse_retry_after
from shipit.http.transport import Transport
from shipit.registry.credentials import Credentials
from shipit.threads import Once

LEAST_LIFETIME_S = 60.0


class Challenge(NamedTuple):
    """A WWW-Authenticate header: its scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


def parse_challenge(header: str) -> Challenge:
    """The challenge to answer of those in a header: one for a token, else one for a password, else the first. Pure."""
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

    def challenged(self, header: str, scopes: tuple[str, ...], *, sent: Mapping[str, str]) -> bool:
        """Take note of a 401 to a request that had the headers `sent`; whether asking again may help.

        It may where nothing was sent, since another thread may have learnt the challenge meanwhile, and for a token.
        """
        challenge = parse_challenge(header)
        self.challenge = challenge
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
        if not _may_be_asked(realm):
            raise RemoteError(f"names a token realm that is not https: {realm!r}", where=self.host)
        answer: Answer | None = None
        if self.credentials and self.credentials.identity_token:
            form = (
                ("grant_type", "refresh_token"),
                ("service", service),
                ("client_id", "shipit"),
                ("scope", " ".join(scopes)),
                ("refresh_token", self.credentials.identity_token),
            )
            answer, method = self.http.send("POST", realm, form=form), "POST"
        if answer is None or answer.status in (404, 405):
            query = [("service", service), *(("scope", scope) for scope in scopes)]
            headers, method = self._basic(), "GET"
            answer = self.http.send("GET", realm, query=[(k, v) for k, v in query if v], headers=headers)
        where = shown(method, realm)
        if answer.status in (401, 403):
            raise refused(self.host, where, self.credentials, answer.status)
        if answer.status != 200:
            retryable = answer.status >= 500 or answer.status == 429
            raise RemoteError(
                f"gave no token: status {answer.status}",
                where=where,
                retryable=retryable,
                status=answer.status,
                retry_after_s=parse_retry_after(answer.header("Retry-After")),
            )
        try:
            body = answer.json()
            token = self.http.environment.redactor.learn(str(body.get("token") or body["access_token"]))
            return token, float(body.get("expires_in") or LEAST_LIFETIME_S)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RemoteError("gave an answer that holds no token", where=where) from None


def _may_be_asked(realm: str) -> bool:
    """Whether a token may be fetched from a URL: by TLS, or on this machine."""
    try:
        parts = urlsplit(realm)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def refused(host: str, where: str, credentials: Credentials | None, status: int) -> RemoteError:
    """The error for credentials that a registry does not take, or for having none."""
    if credentials is None:
        return RemoteError(
            "needs credentials, and none were found", where=where, hint=f"shipit login {host}", status=status
        )
    who = f"user {credentials.username!r}" if credentials.username else "the token"
    from_where = f" from {credentials.origin}" if credentials.origin else ""
    return RemoteError(
        f"refused {who}{from_where}",
        where=where,
        hint=f"check that it may push there, or shipit login {host}",
        status=status,
    )
