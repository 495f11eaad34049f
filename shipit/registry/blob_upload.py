"""Uploads a blob: in one request; in chunks after a 413; and resumed after a broken connection where the registry can.

Source: OCI distribution-spec 1.1, "Pushing blobs".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.events import Retried
from shipit.http.messages import Answer, make_request
from shipit.http.redirects import located
from shipit.http.retry import retrying
from shipit.registry.body import FilePart
from shipit.registry.wire import RegistryWire, scopes_of

# Chunk sizes in bytes after an upload in one request was refused: proxies in front of registries are known to accept them.
LARGEST_PIECE, SMALLEST_PIECE = 64 * 1024 * 1024, 512 * 1024
_STORED = (201, 202, 204)
_OPAQUE = {"Content-Type": "application/octet-stream"}
_READ_S = 300


class BlobUpload:
    """The upload of one file. `tell` is called with the bytes that were sent, and with a negative number when an attempt is discarded."""

    def __init__(
        self, wire: RegistryWire, repository: str, digest: Digest, size_bytes: int, tell: Callable[[int], None]
    ) -> None:
        self.wire = wire
        self.repository = repository
        self.digest = digest
        self.size_bytes = size_bytes
        self._tell = tell
        self._told = 0
        self._target = ""
        self._opened: Answer | None = None
        self._piece, self._smallest = size_bytes, SMALLEST_PIECE

    def send(self, path: Path) -> None:
        """Raises: RemoteError after the last attempt; DeadlinePassed, Interrupted."""
        deadline, emit = self.wire.http.deadline, self.wire.emit
        with path.open("rb") as file:
            try:
                retrying(partial(self._attempt, file), deadline=deadline, emit=emit, trying_s=float("inf"))
            except BaseException:
                self._tell_at(0)
                raise

    def _attempt(self, file: IO[bytes]) -> None:
        """Send the file from its beginning, and resume as long as each attempt makes progress."""
        self._open()
        start = 0
        while True:
            self._tell_at(start)
            try:
                self._send_from(file, start)
                return
            except RemoteError as error:
                sent, kept = self._told, 0
                if error.status or sent - start < SMALLEST_PIECE or (kept := self._kept()) <= start:
                    if not error.status and sent > SMALLEST_PIECE:
                        # A proxy in between may limit the size of a request.
                        self._piece = max(self._smallest, min(self._piece, sent) // 2)
                    raise
                self.wire.emit(Retried(error.where, f"{error.what}; resuming at {kept} bytes", 0.0))
                start = kept

    def _open(self) -> None:
        headers = {"Content-Length": "0"}
        answer = self.wire.ask(
            "POST", self.repository, "blobs/uploads/", headers=headers, push=True, ok=(202,), attempts=1
        )
        self._opened, self._target = answer, self._location(answer)
        self._smallest = max(SMALLEST_PIECE, parse_size(answer.header("OCI-Chunk-Min-Length")) or 0)

    def _location(self, answer: Answer) -> str:
        location = answer.header("Location")
        if not location:
            raise RemoteError("opened an upload without a Location", where=answer.request.shown)
        return located(answer, location)

    def _send_from(self, file: IO[bytes], start: int) -> None:
        if start == 0 and self._piece >= self.size_bytes:
            answer = self._finish(self._part(file, 0, self.size_bytes))
            if answer.status != 413:
                self._end(answer)
                return
            self._piece = min(LARGEST_PIECE, max(self.size_bytes // 2, self._smallest))
            self._tell_at(0)
            self._open()
        self._send_pieces(file, start)
        self._end(self._finish(b""))

    def _send_pieces(self, file: IO[bytes], start: int) -> None:
        """Source: "Pushing a blob in chunks"."""
        while start < self.size_bytes:
            body = self._part(file, start, min(self._piece, self.size_bytes - start))
            answer = self._put("PATCH", self._target, body, {"Content-Range": f"{start}-{start + len(body) - 1}"})
            if answer.status == 413 and self._piece > self._smallest:
                self._tell_at(start)
                self._piece = max(self._piece // 2, self._smallest)
                continue
            if answer.status not in _STORED:
                raise self._error(answer)
            self._target, start = self._location(answer), start + len(body)

    def _end(self, answer: Answer) -> None:
        if answer.status not in _STORED:
            raise self._error(answer)
        self._tell_at(self.size_bytes)

    def _kept(self) -> int:
        """How many bytes a registry kept of an upload that broke off; 0 where it can't be resumed.

        Source: "Pushing a blob in chunks", the GET of an upload.
        """
        try:
            answer = self._ask("GET", self._target)
            kept = parse_kept(answer.header("Range")) if answer.status in (200, 202, 204) else 0
            if not 0 < kept <= self.size_bytes:
                return 0
            self._target = located(answer, answer.header("Location") or self._target)
        except RemoteError:
            return 0
        return kept

    def _finish(self, body: Any) -> Answer:
        url = self._target + ("&" if urlsplit(self._target).query else "?") + f"digest={self.digest}"
        return self._put("PUT", url, body, {})

    def _put(self, method: str, url: str, body: Any, more: dict[str, str]) -> Answer:
        headers = {**_OPAQUE, "Content-Length": str(len(body)), **more}
        return self._ask(method, url, headers=headers, body=body, read_s=_READ_S, deadline=self.wire.http.deadline)

    def _ask(self, method: str, url: str, **more: Any) -> Answer:
        request = make_request(method, url, led_by=self._opened, **more)
        return self.wire.answer(request, scopes_of(self.repository, push=True))

    def _part(self, file: IO[bytes], start: int, size: int) -> FilePart:
        file.seek(start)
        return FilePart(file, size, self._count, self.wire.http.deadline.clock)

    def _count(self, amount: int) -> None:
        self._told += amount
        self._tell(amount)

    def _tell_at(self, offset: int) -> None:
        if offset != self._told:
            self._count(offset - self._told)

    def _error(self, answer: Answer) -> RemoteError:
        """The error for an upload; retryable when the registry has forgotten the upload: it begins again."""
        error = self.wire.error(answer, scopes_of(self.repository, push=True))
        if answer.status in (404, 416):
            error.retryable = True
        return error


def parse_kept(header: str) -> int:
    """How many bytes the `Range` of an upload says were kept, such as 100 for `0-99`; 0 when invalid. Pure.

    Registries write `0-0` both for one byte and for none.
    """
    found = re.fullmatch(r"(?:bytes=)?0-([0-9]{1,18})", header.strip(), re.ASCII)
    end = int(found[1]) if found else 0
    return end + 1 if end else 0


def parse_size(header: str) -> int | None:
    """A number of bytes in a header, or None. Pure."""
    return int(header) if re.fullmatch(r"[0-9]{1,18}", header, re.ASCII) else None


def cancel_upload(wire: RegistryWire, repository: str, opened: Answer) -> None:
    """Cancel an upload that was opened and is not needed; a failure is ignored."""
    if not (location := opened.header("Location")):
        return
    try:
        request = make_request("DELETE", located(opened, location), led_by=opened)
        wire.answer(request, scopes_of(repository, push=True))
    except RemoteError:
        return
