"""Answering a registry's challenge: Basic, or a token from the realm it names.

Source: distribution.github.io/distribution/spec/auth (token, oauth, scope); RFC 9110, section 11.6.1.
"""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.http.proxy import is_loopback
from shipit.http.session import Http, shown
from shipit.registry.credentials import Credentials

LEAST_LIFETIME_S = 60.0
_PARAMETER = re.compile(r'([a-zA-Z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


@dataclass(frozen=True)
class Challenge:
    """A WWW-Authenticate header: its scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


def parse_challenge(header: str) -> Challenge:
    scheme, _, rest = header.strip().partition(" ")
    found = {key.lower(): quoted or bare for key, quoted, bare in _PARAMETER.findall(rest)}
    return Challenge(scheme.lower(), found)


@dataclass
class Authenticator:
    """Gives the Authorization header for a set of scopes; asks the realm once per set, whoever asks first."""

    host: str
    http: Http
    clock: Clock
    credentials: Credentials | None
    challenge: Challenge | None = None
    _tokens: dict[tuple[str, ...], tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def header(self, scopes: tuple[str, ...]) -> dict[str, str]:
        """The header to send, which may be empty while nobody has asked for one."""
        if self.challenge is None:
            return self._basic() if self.credentials and self.credentials.preemptive else {}
        if self.challenge.scheme == "basic":
            return self._basic()
        with self._lock:
            token, expires = self._tokens.get(scopes, ("", 0.0))
            if not token or self.clock.now() >= expires:
                token, lifetime = self._fetch(self.challenge, scopes)
                self._tokens[scopes] = (token, self.clock.now() + lifetime - 10)
        return {"Authorization": f"Bearer {token}"}

    def challenged(self, header: str, scopes: tuple[str, ...]) -> bool:
        """Take note of a 401; whether asking again may help."""
        challenge = parse_challenge(header)
        known = self.challenge
        self.challenge = challenge
        if challenge.scheme == "bearer":
            with self._lock:
                expired = self._tokens.pop(scopes, None)
            return known is None or expired is not None or known.scheme != "bearer"
        return (
            challenge.scheme == "basic"
            and self.credentials is not None
            and known is None
            and not self.credentials.preemptive
        )

    def _basic(self) -> dict[str, str]:
        if not self.credentials:
            return {}
        pair = f"{self.credentials.username}:{self.credentials.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _fetch(self, challenge: Challenge, scopes: tuple[str, ...]) -> tuple[str, float]:
        realm, service = challenge.parameters.get("realm", ""), challenge.parameters.get("service", "")
        parts = urlsplit(realm)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise RemoteError(f"names a token realm that is not https: {realm[:200]!r}", where=self.host)
        if self.credentials and self.credentials.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": "shipit",
                "scope": " ".join(scopes),
                "refresh_token": self.credentials.identity_token,
            }
            answer = self.http.send("POST", realm, data=form)
            method = "POST"
        else:
            query = [("service", service), *(("scope", scope) for scope in scopes)]
            headers = self._basic()
            answer = self.http.send("GET", realm, params=[(k, v) for k, v in query if v], headers=headers)
            method = "GET"
        where = shown(method, realm)
        if answer.status_code in (401, 403):
            raise refused(self.host, where, self.credentials, answer.status_code)
        if answer.status_code != 200:
            retryable = answer.status_code >= 500 or answer.status_code == 429
            raise RemoteError(
                f"gave no token: status {answer.status_code}",
                where=where,
                retryable=retryable,
                status=answer.status_code,
            )
        try:
            body = answer.json()
            token = str(body.get("token") or body["access_token"])
            return token, max(float(body.get("expires_in") or 0), LEAST_LIFETIME_S) if not _is_short(body) else float(
                body["expires_in"]
            ) + 10
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RemoteError("gave an answer that holds no token", where=where) from None


def _is_short(body: dict[str, object]) -> bool:
    lifetime = body.get("expires_in")
    return isinstance(lifetime, int) and 0 < lifetime < LEAST_LIFETIME_S


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
