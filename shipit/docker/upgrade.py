"""Requests to an engine whose connection becomes a stream of bytes: exec, attach, and logs that are followed.

Source: Docker Engine API 1.41, POST /containers/{id}/attach, "Hijacking"; POST /exec/{id}/start; GET /containers/{id}/logs.
RFC 1945, section 7.2.2: the body of an answer to HTTP/1.0 ends with the connection.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from shipit.docker.dial import ByteStream
from shipit.docker.error_message import error_message
from shipit.docker.tls_bytes import TlsBytes
from shipit.errors import RemoteError

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LARGEST_HEAD, _LARGEST_ERROR, _PIECE = 64 * 1024, 64 * 1024, 4096
_END = b"\r\n\r\n"


class SilentEngine(RemoteError):
    """The engine was reached and did not answer in time."""


def upgrade(sock: socket.socket | TlsBytes, path: str, query: Mapping[str, str], body: Any, where: str) -> ByteStream:
    """Send POST and take over the connection, which is closed in case of an error. Raises: RemoteError with the status."""
    return _taken(sock, _request(path, query, body), where)


def download(sock: socket.socket | TlsBytes, path: str, query: Mapping[str, str], where: str) -> ByteStream:
    """Send GET, and the body of the answer as a stream, as it comes. Raises: as `upgrade`; RemoteError for one in chunks."""
    lines = [f"GET {_target(path, query)} HTTP/1.0", "Host: docker", "User-Agent: shipit"]
    return _taken(sock, "\r\n".join(lines).encode() + _END, where)


def _taken(sock: socket.socket | TlsBytes, request: bytes, where: str) -> ByteStream:
    try:
        sock.sendall(request)
        head, early = _head(sock, where)
        match = _STATUS.match(head)
        if match is None:
            raise RemoteError("the engine's answer is not HTTP", where=where)
        status = int(match[1])
        if status not in (101, 200):
            raise RemoteError(error_message(_rest(sock, head, early), status), where=where, status=status)
        if status == 200 and _CHUNKED.search(head):
            raise RemoteError("a proxy in between answers in chunks, which HTTP/1.0 does not have", where=where)
        return ByteStream(sock, where, early)
    except TimeoutError:
        sock.close()
        raise SilentEngine(
            "lost the connection to the engine: no answer in time", where=where, retryable=True
        ) from None
    except OSError as error:
        sock.close()
        reason = (error.strerror or str(error)).lower()
        raise RemoteError(f"lost the connection to the engine: {reason}", where=where, retryable=True) from None
    except BaseException:
        sock.close()
        raise


def _request(path: str, query: Mapping[str, str], body: Any) -> bytes:
    content = json.dumps(body).encode() if body is not None else b""
    lines = [
        f"POST {_target(path, query)} HTTP/1.1", "Host: docker", "Connection: Upgrade", "Upgrade: tcp", "User-Agent: shipit",
        "Content-Type: application/json", f"Content-Length: {len(content)}",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + _END + content


def _target(path: str, query: Mapping[str, str]) -> str:
    return quote(path, safe="/") + (f"?{urlencode(query)}" if query else "")


def _head(sock: socket.socket | TlsBytes, where: str) -> tuple[bytes, bytes]:
    """The head of the answer, and what came behind it."""
    data = b""
    while _END not in data:
        piece = sock.recv(_PIECE)
        data += piece
        if not piece or len(data) > _LARGEST_HEAD:
            raise RemoteError("the engine gave no whole answer", where=where, retryable=not piece)
    head, _, early = data.partition(_END)
    return head + b"\r\n", early


def _rest(sock: socket.socket | TlsBytes, head: bytes, data: bytes) -> bytes:
    """The body of an error."""
    match = _LENGTH.search(head)
    wanted = min(int(match[1]) if match else _LARGEST_ERROR, _LARGEST_ERROR)
    while len(data) < wanted and (piece := sock.recv(_PIECE)):
        data += piece
    return data[:wanted]
