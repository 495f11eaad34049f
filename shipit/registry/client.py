"""One registry: every request it takes, with its answer checked.

Source: OCI distribution-spec 1.1; Docker Registry HTTP API v2.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.events import Emit
from shipit.http.proxy import is_loopback
from shipit.http.retry import parse_retry_after, retrying
from shipit.http.session import TEMPORARY, Http, mapped_errors, shown
from shipit.image.image import INDEX_TYPES, MANIFEST_TYPES
from shipit.image.store import digest_of
from shipit.reference import DOCKER_HUB
from shipit.registry.auth import Authenticator, refused
from shipit.registry.credentials import Credentials

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
_ACCEPT = ", ".join((*MANIFEST_TYPES.values(), *INDEX_TYPES))
_CHUNK = 1024 * 1024


class RegistryClient:
    """Speaks to one registry host. Safe to use from several threads."""

    def __init__(self, host: str, http: Http, clock: Clock, emit: Emit, credentials: Credentials | None) -> None:
        self.host = host
        self.http = http
        self.clock = clock
        self.emit = emit
        self.auth = Authenticator(host, http, clock, credentials)
        self._base = ""
        self._lock = threading.Lock()

    def manifest(self, repository: str, reference: str) -> tuple[bytes, str, str] | None:
        """A manifest's bytes, media type and digest; None where there is none."""
        answer = self._asked("GET", repository, f"manifests/{reference}", headers={"Accept": _ACCEPT}, ok=(200, 404))
        if answer.status_code == 404:
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
        return data, answer.headers.get("Content-Type", "").split(";")[0].strip(), digest

    def manifest_digest(self, repository: str, reference: str) -> str | None:
        """The digest that a tag or digest names now; None where there is none."""
        answer = self._asked("HEAD", repository, f"manifests/{reference}", headers={"Accept": _ACCEPT}, ok=(200, 404))
        if answer.status_code == 404:
            return None
        if digest := answer.headers.get("Docker-Content-Digest"):
            return str(digest)
        found = self.manifest(repository, reference)
        return found[2] if found else None

    def put_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> None:
        """Store a manifest under its digest or a tag."""
        headers = {"Content-Type": media_type}
        self._asked(
            "PUT", repository, f"manifests/{reference}", headers=headers, data=data, push=True, ok=(200, 201, 202)
        )

    def has_blob(self, repository: str, digest: str, *, push: bool = True) -> bool:
        answer = self._asked("HEAD", repository, f"blobs/{digest}", push=push, ok=(200, 404, 307, 302))
        return answer.status_code != 404

    def mount_blob(self, repository: str, digest: str, source: str) -> bool:
        """Let a repository of the same registry lend a blob; False where it must be uploaded after all."""
        try:
            answer = self._asked(
                "POST",
                repository,
                "blobs/uploads/",
                params={"mount": digest, "from": source},
                push=True,
                also=source,
                ok=(201, 202),
            )
        except RemoteError as error:
            if error.retryable or error.status == 0:
                raise
            return False
        if answer.status_code == 202 and (location := answer.headers.get("Location")):
            self._cancel(repository, location)
        return answer.status_code == 201

    def upload_blob(self, repository: str, digest: str, body: Any, size: int) -> None:
        """Upload a blob in one piece: POST, then PUT where the answer says. `body` reads bytes from its start."""
        opened = self._asked(
            "POST", repository, "blobs/uploads/", headers={"Content-Length": "0"}, push=True, ok=(202,)
        )
        location = opened.headers.get("Location")
        if not location:
            raise RemoteError(
                "opened an upload without saying where", where=self._where("POST", repository, "blobs/uploads/")
            )
        target = urljoin(opened.url, location)
        target += ("&" if urlsplit(target).query else "?") + f"digest={digest}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        if urlsplit(target).netloc == urlsplit(opened.url).netloc:
            headers |= self.auth.header(self._scopes(repository, push=True))
        answer = self.http.send("PUT", target, headers=headers, data=body, read_s=300)
        if answer.status_code not in (201, 202, 204):
            raise self._error("PUT", target, answer)

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob in pieces; redirects are followed without our credentials."""
        answer = self._asked("GET", repository, f"blobs/{digest}", stream=True, ok=(200, 302, 303, 307, 308))
        for _ in range(5):
            if answer.status_code == 200:
                break
            url = urljoin(answer.url, answer.headers.get("Location", ""))
            answer = self.http.send("GET", url, stream=True)
            if answer.status_code not in (200, 301, 302, 303, 307, 308):
                raise self._error("GET", url, answer)
        with mapped_errors("GET", answer.url), answer:
            for chunk in answer.iter_content(_CHUNK):
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
        data: Any = None,
        params: Any = None,
        stream: bool = False,
    ) -> requests.Response:
        """Ask, answer a challenge once, and ask again what may pass."""
        scopes = self._scopes(repository, push=push, also=also)

        def once() -> requests.Response:
            url = f"{self.base}/v2/{repository}/{path}"
            for attempt in (1, 2):
                merged = {**(headers or {}), **self.auth.header(scopes)}
                answer = self.http.send(method, url, headers=merged, data=data, params=params, stream=stream)
                challenge = answer.headers.get("WWW-Authenticate", "")
                if answer.status_code == 401 and attempt == 1 and self.auth.challenged(challenge, scopes):
                    continue
                break
            if answer.status_code not in ok:
                raise self._error(method, url, answer)
            return answer

        return retrying(once, clock=self.clock, emit=self.emit)

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
        return secured if answer.status_code == 400 else plain

    @staticmethod
    def _scopes(repository: str, *, push: bool, also: str = "") -> tuple[str, ...]:
        own = f"repository:{repository}:{'pull,push' if push else 'pull'}"
        return (own, f"repository:{also}:pull") if also else (own,)

    def _where(self, method: str, repository: str, path: str) -> str:
        return f"{method} {self.host}/v2/{repository}/{path}"

    def _error(self, method: str, url: str, answer: requests.Response) -> RemoteError:
        """The error for an answer that was not hoped for, with what the registry says of it."""
        where, status = shown(method, url), answer.status_code
        if status == 401:
            return refused(self.host, where, self.auth.credentials, status)
        said = _said(answer)
        if status == 403:
            return RemoteError(
                f"is not allowed{said}",
                where=where,
                hint=f"check the repository's name and that you may push to it, or docker login {self.host}",
                status=status,
            )
        if status == 404:
            return RemoteError(f"is not there{said}", where=where, hint="check the repository's name", status=status)
        if status == 429:
            hint = "wait, or log in for a higher limit"
            return RemoteError(
                f"has had too many requests{said}",
                where=where,
                hint=hint,
                retryable=True,
                status=status,
                retry_after_s=parse_retry_after(answer.headers.get("Retry-After")),
            )
        told = parse_retry_after(answer.headers.get("Retry-After")) if status in TEMPORARY else None
        return RemoteError(
            f"answered {status}{said}", where=where, retryable=status in TEMPORARY, status=status, retry_after_s=told
        )


def _said(answer: requests.Response) -> str:
    """`: CODE message` of a registry's error body, or nothing."""
    try:
        error = answer.json()["errors"][0]
        return f": {error.get('code', '')} {error.get('message', '')}".rstrip()[:300]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, requests.RequestException):
        return ""
