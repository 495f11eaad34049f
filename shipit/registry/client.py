"""One registry: every request it takes, with its answer checked.

Source: OCI distribution-spec 1.1; Docker Registry HTTP API v2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.events import Emit, Warned
from shipit.http.exchange import Answer
from shipit.http.failures import TEMPORARY, shown
from shipit.http.proxy import is_loopback
from shipit.http.retry import parse_retry_after, retrying
from shipit.http.transport import Pairs, Transport
from shipit.image.image import INDEX_TYPES, MANIFEST_TYPES
from shipit.image.store import digest_of
from shipit.reference import DOCKER_HUB
from shipit.registry.auth import Authenticator, refused
from shipit.registry.body import FilePart
from shipit.registry.credentials import Credentials
from shipit.registry.limit import parse_limit

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
_ACCEPT = ", ".join((*MANIFEST_TYPES.values(), *INDEX_TYPES))
_CHUNK = 1024 * 1024
# Pieces of an upload that was refused as a whole, in bytes: what proxies before registries are known to take.
LARGEST_PIECE, SMALLEST_PIECE = 64 * 1024 * 1024, 512 * 1024


class RegistryClient:
    """Speaks to one registry host. Safe to use from several threads."""

    def __init__(self, host: str, http: Transport, clock: Clock, emit: Emit, credentials: Credentials | None) -> None:
        self.host = host
        self.http = http
        self.clock = clock
        self.emit = emit
        self.auth = Authenticator(host, http, clock, credentials)
        self._base = ""
        self._is_warned = False
        self._lock = threading.Lock()

    def check(self) -> None:
        """That the registry takes our credentials. Raises: RemoteError when it does not, or can't be asked."""

        def once() -> None:
            url = f"{self.base}/v2/"
            answer = self._authorized("GET", url, ())
            # A token without scopes is no proof for some registries, but that it was given is.
            if answer.status != 200 and not (answer.status == 401 and self.auth.has_token(())):
                raise self._error("GET", url, answer)

        retrying(once, clock=self.clock, emit=self.emit)

    def date(self) -> str | None:
        """The registry's clock, as its `Date` header has it."""
        return self.http.send("GET", f"{self.base}/v2/").header("Date") or None

    def manifest(self, repository: str, reference: str) -> tuple[bytes, str, str] | None:
        """A manifest's bytes, media type and digest; None where there is none."""
        answer = self._asked("GET", repository, f"manifests/{reference}", headers={"Accept": _ACCEPT}, ok=(200, 404))
        if answer.status == 404:
            return None
        data = answer.content
        if len(data) > MAX_MANIFEST_BYTES:
            raise RemoteError("the manifest is larger than 4 MiB", where=self._where("GET", repository, reference))
        digest = digest_of(data)
        if reference.startswith("sha256:") and reference != digest:
            raise RemoteError(
                "the manifest's bytes do not match its digest",
                where=self._where("GET", repository, reference),
                retryable=True,
            )
        return data, answer.header("Content-Type").split(";")[0].strip(), digest

    def manifest_digest(self, repository: str, reference: str) -> str | None:
        """The digest that a tag or digest names now; None where there is none."""
        answer = self._asked("HEAD", repository, f"manifests/{reference}", headers={"Accept": _ACCEPT}, ok=(200, 404))
        if answer.status == 404:
            return None
        if digest := answer.header("Docker-Content-Digest"):
            return str(digest)
        found = self.manifest(repository, reference)
        return found[2] if found else None

    def put_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> None:
        """Store a manifest under its digest or a tag."""
        headers = {"Content-Type": media_type}
        self._asked(
            "PUT", repository, f"manifests/{reference}", headers=headers, body=data, push=True, ok=(200, 201, 202)
        )

    def has_blob(self, repository: str, digest: str, *, push: bool = True) -> bool:
        answer = self._asked("HEAD", repository, f"blobs/{digest}", push=push, ok=(200, 404, 307, 302))
        return answer.status != 404

    def mount_blob(self, repository: str, digest: str, source: str) -> bool:
        """Let a repository of the same registry lend a blob; False where it must be uploaded after all."""
        try:
            answer = self._asked(
                "POST",
                repository,
                "blobs/uploads/",
                query=(("mount", digest), ("from", source)),
                push=True,
                also=source,
                ok=(201, 202),
            )
        except RemoteError as error:
            if error.retryable or error.status == 0:
                raise
            return False
        if answer.status == 202 and (location := answer.header("Location")):
            self._cancel(repository, location)
        return answer.status == 201

    def upload_blob(self, repository: str, digest: str, path: Path, size: int, tell: Callable[[int], None]) -> None:
        """Upload a blob: in one piece, or in several where one is too large for what stands before the registry.

        `tell` is called with the bytes that went out.
        """
        target = self._opened(repository)
        with path.open("rb") as file:
            answer = self._put(repository, target, digest, FilePart(file, size, tell, self.clock))
        if answer.status == 413:
            tell(-size)
            self._upload_in_pieces(repository, digest, path, size, tell)
        elif answer.status not in (201, 202, 204):
            raise self._upload_error(repository, "PUT", target, answer)

    def _opened(self, repository: str) -> str:
        """Where the registry wants the bytes of a new upload."""
        opened = self._asked(
            "POST", repository, "blobs/uploads/", headers={"Content-Length": "0"}, push=True, ok=(202,)
        )
        return self._location(repository, opened)

    def _location(self, repository: str, answer: Answer) -> str:
        location = answer.header("Location")
        if not location:
            raise RemoteError(
                "opened an upload without saying where", where=self._where("POST", repository, "blobs/uploads/")
            )
        return urljoin(answer.request.url, location)

    def _put(self, repository: str, target: str, digest: str, body: Any) -> Answer:
        url = target + ("&" if urlsplit(target).query else "?") + f"digest={digest}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
        return self.http.send("PUT", url, headers=headers | self._own(repository, url), body=body, read_s=300)

    def _own(self, repository: str, url: str) -> dict[str, str]:
        """Our authorization, where a URL that a registry gave is still its own."""
        if urlsplit(url).netloc != urlsplit(self.base).netloc:
            return {}
        return self.auth.header(self._scopes(repository, push=True))

    def _upload_in_pieces(
        self, repository: str, digest: str, path: Path, size: int, tell: Callable[[int], None]
    ) -> None:
        """Source: OCI distribution-spec 1.1, "Pushing a blob in chunks"."""
        piece = min(LARGEST_PIECE, max(size // 2, SMALLEST_PIECE))
        target, sent = self._opened(repository), 0
        with path.open("rb") as file:
            while sent < size:
                amount = min(piece, size - sent)
                file.seek(sent)
                headers = {
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(amount),
                    "Content-Range": f"{sent}-{sent + amount - 1}",
                }
                body = FilePart(file, amount, tell, self.clock)
                answer = self.http.send(
                    "PATCH", target, headers=headers | self._own(repository, target), body=body, read_s=300
                )
                if answer.status == 413 and piece > SMALLEST_PIECE:
                    tell(-body.sent)
                    piece = max(piece // 2, SMALLEST_PIECE)
                    continue
                if answer.status not in (201, 202, 204):
                    raise self._upload_error(repository, "PATCH", target, answer)
                target, sent = self._location(repository, answer), sent + amount
        answer = self._put(repository, target, digest, b"")
        if answer.status not in (201, 202, 204):
            raise self._upload_error(repository, "PUT", target, answer)

    def _upload_error(self, repository: str, method: str, url: str, answer: Answer) -> RemoteError:
        """The error for an upload; one whose token ran out, or that the registry forgot, may begin anew."""
        error = self._error(method, url, answer)
        challenge = answer.header("WWW-Authenticate")
        if answer.status == 401:
            scopes = self._scopes(repository, push=True)
            error.retryable = self.auth.challenged(challenge, scopes, sent=self.auth.header(scopes))
        elif answer.status in (404, 416):
            error.retryable = True
        return error

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob in pieces; redirects are followed without our credentials."""
        answer = self._asked("GET", repository, f"blobs/{digest}", stream=True, ok=(200, 302, 303, 307, 308))
        for _ in range(5):
            if answer.status == 200:
                break
            url = urljoin(answer.request.url, answer.header("Location"))
            answer = self.http.send("GET", url, stream=True)
            if answer.status not in (200, 301, 302, 303, 307, 308):
                raise self._error("GET", url, answer)
        with answer:
            for chunk in answer.pieces(_CHUNK):
                self.clock.check()
                yield chunk

    def _cancel(self, repository: str, location: str) -> None:
        url = urljoin(f"{self._base}/v2/{repository}/blobs/uploads/", location)
        try:
            self.http.send("DELETE", url, headers=self.auth.header(self._scopes(repository, push=True)))
        except RemoteError:
            return

    def _asked(
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
    ) -> Answer:
        """Ask, answer a challenge once, and ask again what may pass."""
        scopes = self._scopes(repository, push=push, also=also)

        def once() -> Answer:
            url = f"{self.base}/v2/{repository}/{path}"
            answer = self._authorized(method, url, scopes, headers=headers, body=body, query=query, stream=stream)
            self._watch_limit(answer)
            if answer.status not in ok:
                raise self._error(method, url, answer)
            return answer

        return retrying(once, clock=self.clock, emit=self.emit)

    def _authorized(
        self, method: str, url: str, scopes: tuple[str, ...], *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        """Send a request with what we know of the registry's wishes, and once more when it tells them."""
        sent = {**(headers or {}), **self.auth.header(scopes)}
        answer = self.http.send(method, url, headers=sent, **more)
        challenge = answer.header("WWW-Authenticate")
        if answer.status == 401 and self.auth.challenged(challenge, scopes, sent=sent):
            sent = {**(headers or {}), **self.auth.header(scopes)}
            answer = self.http.send(method, url, headers=sent, **more)
        return answer

    def _watch_limit(self, answer: Answer) -> None:
        """Say once that few pulls are left, before there are none."""
        limit = parse_limit(answer.header("ratelimit-limit"), answer.header("ratelimit-remaining"))
        if limit is None or self._is_warned or limit.remaining > max(limit.total // 10, 5):
            return
        self._is_warned = True
        hint = "" if self.auth.credentials else f"; shipit login {self.host} raises the limit"
        self.emit(Warned("", f"{self.host} allows {limit} more{hint}"))

    @property
    def base(self) -> str:
        """`scheme://host` to ask: https, but plain http on a loopback address that does not speak TLS."""
        with self._lock:
            if not self._base:
                name = "registry-1.docker.io" if self.host == DOCKER_HUB else self.host
                self._base = f"https://{name}"
                if is_loopback(urlsplit(f"//{name}").hostname or ""):
                    self._base = self._probed(name)
            return self._base

    def _probed(self, name: str) -> str:
        plain, secured = f"http://{name}", f"https://{name}"
        try:
            answer = retrying(
                lambda: self.http.send("GET", f"{plain}/v2/"), clock=self.clock, emit=self.emit, attempts=2
            )
        except RemoteError:
            # A server that speaks TLS only may hang up, where Go's answer 400.
            try:
                self.http.send("GET", f"{secured}/v2/")
            except RemoteError as error:
                if error.retryable:
                    return plain
            return secured
        return secured if answer.status == 400 else plain

    @staticmethod
    def _scopes(repository: str, *, push: bool, also: str = "") -> tuple[str, ...]:
        own = f"repository:{repository}:{'pull,push' if push else 'pull'}"
        return (own, f"repository:{also}:pull") if also else (own,)

    def _where(self, method: str, repository: str, path: str) -> str:
        return f"{method} {self.host}/v2/{repository}/{path}"

    def _error(self, method: str, url: str, answer: Answer) -> RemoteError:
        """The error for an answer that was not hoped for, with what the registry says of it."""
        where, status = shown(method, url), answer.status
        if status == 401:
            return refused(self.host, where, self.auth.credentials, status)
        said = _said(answer)
        if status == 403:
            return RemoteError(
                f"is not allowed{said}",
                where=where,
                hint=f"check the repository's name and that you may push to it, or shipit login {self.host}",
                status=status,
            )
        if status == 404:
            return RemoteError(f"is not there{said}", where=where, hint="check the repository's name", status=status)
        if status == 429:
            limit = parse_limit(answer.header("ratelimit-limit"), answer.header("ratelimit-remaining"))
            hint = "wait" if self.auth.credentials else f"wait, or shipit login {self.host} for a higher limit"
            return RemoteError(
                f"has had too many requests{said}{f', {limit}' if limit else ''}",
                where=where,
                hint=hint,
                retryable=True,
                status=status,
                retry_after_s=parse_retry_after(answer.header("Retry-After")),
            )
        told = parse_retry_after(answer.header("Retry-After")) if status in TEMPORARY else None
        return RemoteError(
            f"answered {status}{said}", where=where, retryable=status in TEMPORARY, status=status, retry_after_s=told
        )


def _said(answer: Answer) -> str:
    """`: CODE message` of a registry's error body, or nothing."""
    try:
        error = answer.json()["errors"][0]
        return f": {error.get('code', '')} {error.get('message', '')}".rstrip()[:300]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RemoteError):
        return ""
