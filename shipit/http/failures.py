"""The one table from an error of the system or of http.client to a RemoteError, for a request without an answer. Pure."""

from __future__ import annotations

import http.client
import socket
import ssl

from shipit.errors import RemoteError
from shipit.http.urls import host_of, shown

_SAID = {
    "IncompleteRead": "the answer ended early",
    "RemoteDisconnected": "the server closed the connection",
    "HTTPException": "the answer has too many headers",
    "LineTooLong": "the answer has a line that is too long",
    "BadStatusLine": "the answer is not HTTP",
    "SSLEOFError": "the server closed the connection",
    "SSLZeroReturnError": "the server closed the connection",
}


class Untrusted(RemoteError):
    """A certificate that is not signed by an authority we trust."""


# OpenSSL's reasons for an answer that is not TLS.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL")


class WithoutTls(RemoteError):
    """A server that answered a TLS handshake with something else."""


def translate(error: BaseException, method: str, url: str) -> RemoteError:
    """The RemoteError for the error that stopped a request; its type decides whether it is retryable."""
    where, host = shown(method, url), host_of(url)
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(where, host, error.verify_message)
    if isinstance(error, TimeoutError):
        return RemoteError("no answer in time", where=where, hint=f"check that {host} can be reached", retryable=True)
    if isinstance(error, socket.gaierror):
        return RemoteError(
            f"the name {host} can't be resolved", where=where, hint="check the name and the network", retryable=True
        )
    if isinstance(error, http.client.InvalidURL):
        return RemoteError(f"invalid URL of {host}" if host else "invalid URL", where=where)
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
    """The error for a certificate that is not signed by an authority we trust."""
    hint = "for a private certificate authority set SSL_CERT_FILE to its file"
    return Untrusted(
        f"the certificate of {host} can't be trusted{f': {reason}' if reason else ''}", where=where, hint=hint
    )


def _said(error: BaseException) -> str:
    """The text of the operating system or of the protocol for an error, in lower case."""
    if known := _SAID.get(type(error).__name__):
        return known
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__
