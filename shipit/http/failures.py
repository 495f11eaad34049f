"""What it means when a request got no answer: a RemoteError by the type of the system's or http.client's error. Pure."""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from shipit.errors import RemoteError

_SAID = {
    "IncompleteRead": "the answer broke off",
    "RemoteDisconnected": "the server hung up",
    "HTTPException": "the answer has too many headers",
    "LineTooLong": "the answer has a line that is too long",
    "BadStatusLine": "the answer is no HTTP",
    "SSLEOFError": "the server hung up",
    "SSLZeroReturnError": "the server hung up",
}


class Untrusted(RemoteError):
    """A certificate that nobody we trust vouches for."""


# What OpenSSL says of an answer that is no TLS.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL")


class WithoutTls(RemoteError):
    """A server that was asked with TLS and answered without."""


def shown(method: str, url: str) -> str:
    """`METHOD host/path` of a URL: no user, no password, no query."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{method} {parts.hostname or ''}{port}{parts.path}"
    except ValueError:
        return method


def translate(error: BaseException, method: str, url: str) -> RemoteError:
    """The RemoteError for what stopped a request; which ones may pass is set here, by type."""
    where, host = shown(method, url), host_of(url)
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(where, host, error.verify_message)
    if isinstance(error, TimeoutError):
        return RemoteError("no answer in time", where=where, hint=f"check that {host} can be reached", retryable=True)
    if isinstance(error, socket.gaierror):
        return RemoteError(
            f"the name {host} is not known", where=where, hint="check the name and the network", retryable=True
        )
    if isinstance(error, http.client.InvalidURL):
        return RemoteError(f"{host} is no address that can be asked", where=where)
    if isinstance(error, ValueError):
        return RemoteError(
            "a header holds characters that HTTP does not allow", where=where, hint="check the credentials"
        )
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        hint = f"check that {host} speaks TLS at this port"
        return WithoutTls(f"no connection: {_said(error)}", where=where, hint=hint, retryable=True)
    if isinstance(error, OSError) and error.filename:
        return RemoteError(f"{error.filename}: {error.strerror}", where=where)
    return RemoteError(
        f"no connection: {_said(error)}", where=where, hint=f"check that {host} can be reached", retryable=True
    )


def untrusted(where: str, host: str, reason: str = "") -> Untrusted:
    """The error for a certificate that nobody we trust vouches for."""
    hint = "for a private certificate authority set SSL_CERT_FILE to its file"
    return Untrusted(
        f"the certificate of {host} can't be trusted{f': {reason}' if reason else ''}", where=where, hint=hint
    )


def host_of(url: str) -> str:
    """The host of a URL, for people."""
    try:
        return urlsplit(url).hostname or "the URL"
    except ValueError:
        return "the URL"


def _said(error: BaseException) -> str:
    """What the operating system or the protocol says of an error, in lower case."""
    if known := _SAID.get(type(error).__name__):
        return known
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__
