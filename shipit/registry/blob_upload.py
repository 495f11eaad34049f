"""One blob on its way into a registry: in one piece, or in several where one is too large for what stands before it.

Source: OCI distribution-spec 1.1, "Pushing blobs".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.http.exchange import Answer
from shipit.registry.body import FilePart
from shipit.registry.wire import RegistryWire, scopes_of

# Pieces of an upload that was refused as a whole, in bytes: what proxies before registries are known to take.
LARGEST_PIECE, SMALLEST_PIECE = 64 * 1024 * 1024, 512 * 1024
_STORED = (201, 202, 204)
_OPAQUE = {"Content-Type": "application/octet-stream"}
_READ_S = 300


class BlobUpload:
    """A file for a repository; `tell` is called with the bytes that went out, and with less than none for those in vain."""

    def __init__(
        self, wire: RegistryWire, repository: str, digest: Digest, size_bytes: int, tell: Callable[[int], None]
    ) -> None:
        self.wire = wire
        self.repository = repository
        self.digest = digest
        self.size_bytes = size_bytes
        self.tell = tell

    def send(self, path: Path) -> None:
        """Raises: RemoteError, retryable where the upload may begin anew."""
        target = self._opened()
        with path.open("rb") as file:
            whole = FilePart(file, self.size_bytes, self.tell, self.wire.clock)
            answer = self._finish(target, whole)
            if answer.status == 413:
                self.tell(-whole.sent)
                target = self._in_pieces(file, self._opened())
                answer = self._finish(target, b"")
        if answer.status not in _STORED:
            raise self._error("PUT", target, answer)

    def _opened(self) -> str:
        """Where the registry wants the bytes of a new upload."""
        headers = {"Content-Length": "0"}
        return self._location(
            self.wire.ask("POST", self.repository, "blobs/uploads/", headers=headers, push=True, ok=(202,))
        )

    def _location(self, answer: Answer) -> str:
        location = answer.header("Location")
        if not location:
            where = self.wire.where("POST", self.repository, "blobs/uploads/")
            raise RemoteError("opened an upload without saying where", where=where)
        return self.wire.located(answer, location)

    def _in_pieces(self, file: IO[bytes], target: str) -> str:
        """Where to finish, when every piece is there. Source: "Pushing a blob in chunks"."""
        piece, sent = min(LARGEST_PIECE, max(self.size_bytes // 2, SMALLEST_PIECE)), 0
        while sent < self.size_bytes:
            file.seek(sent)
            body = FilePart(file, min(piece, self.size_bytes - sent), self.tell, self.wire.clock)
            answer = self._put("PATCH", target, body, {"Content-Range": f"{sent}-{sent + len(body) - 1}"})
            if answer.status == 413 and piece > SMALLEST_PIECE:
                self.tell(-body.sent)
                piece = max(piece // 2, SMALLEST_PIECE)
                continue
            if answer.status not in _STORED:
                raise self._error("PATCH", target, answer)
            target, sent = self._location(answer), sent + len(body)
        return target

    def _finish(self, target: str, body: Any) -> Answer:
        url = target + ("&" if urlsplit(target).query else "?") + f"digest={self.digest}"
        return self._put("PUT", url, body, {})

    def _put(self, method: str, url: str, body: Any, more: dict[str, str]) -> Answer:
        headers = {**_OPAQUE, "Content-Length": str(len(body)), **more, **self.wire.own_header(self.repository, url)}
        return self.wire.http.send(method, url, headers=headers, body=body, read_s=_READ_S)

    def _error(self, method: str, url: str, answer: Answer) -> RemoteError:
        """The error for an upload; one whose token ran out, or that the registry forgot, may begin anew."""
        error = self.wire.error(method, url, answer)
        if answer.status == 401:
            scopes = scopes_of(self.repository, push=True)
            challenge, auth = answer.header("WWW-Authenticate"), self.wire.auth
            error.retryable = auth.challenged(challenge, scopes, sent=auth.header(scopes))
        elif answer.status in (404, 416):
            error.retryable = True
        return error


def cancel_upload(wire: RegistryWire, repository: str, opened: Answer) -> None:
    """Let a registry forget an upload that was opened and is not wanted; that it does not is no matter."""
    if not (location := opened.header("Location")):
        return
    try:
        url = wire.located(opened, location)
        wire.http.send("DELETE", url, headers=wire.own_header(repository, url))
    except RemoteError:
        return
