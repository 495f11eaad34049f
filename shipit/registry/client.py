"""The operations of one registry: manifests, tags and blobs. Answers are verified.

Source: OCI distribution-spec 1.1; Docker Registry HTTP API v2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from shipit.digest import Digest, parse_digest
from shipit.errors import RemoteError
from shipit.http.messages import Request
from shipit.http.redirects import REDIRECTS
from shipit.http.retry import ATTEMPTS, retrying
from shipit.image.manifest import INDEX_TYPES, MANIFEST_TYPES, MAX_MANIFEST_BYTES
from shipit.registry.blob_download import read_blob
from shipit.registry.blob_upload import BlobUpload, cancel_upload
from shipit.registry.referrers import Listed, read_referrers
from shipit.registry.tag_list import TagList, read_tags
from shipit.registry.wire import RegistryWire, scopes_of

_ACCEPT = {"Accept": ", ".join((*MANIFEST_TYPES.values(), *INDEX_TYPES))}
# Statuses of a registry that does not allow HEAD.
_NO_HEAD = (405, 501)


class RegistryClient:
    """Speaks to one registry host. Safe to use from several threads."""

    def __init__(self, wire: RegistryWire) -> None:
        self.host = wire.host
        self._wire = wire

    def check(self) -> None:
        """Check that the registry accepts our credentials. Raises: RemoteError when it refuses them, or does not answer."""
        wire = self._wire

        def once() -> None:
            answer = wire.answer(Request("GET", f"{wire.base}/v2/"), ())
            # Some registries refuse a token without scopes here, but that they issued one shows that the login is right.
            if answer.status != 200 and not (answer.status == 401 and wire.auth.has_token(())):
                raise wire.error(answer, ())

        retrying(once, deadline=wire.http.deadline, emit=wire.emit)

    def takes_anonymous_push(self, repository: str) -> bool:
        """Whether a push without a login may be accepted, by the challenge of the registry and what its realm answers.

        Raises: RemoteError when it can't be asked.
        """
        wire, scopes = self._wire, scopes_of(repository, push=True)
        try:
            answer = wire.answer(Request("GET", f"{wire.base}/v2/"), scopes)
        except RemoteError as error:
            if error.status in (401, 403):
                return False
            raise
        return answer.status not in (401, 403) and wire.auth.may_grant(scopes[0])

    @property
    def asks_for_login(self) -> bool:
        """Whether the registry has asked for a login."""
        return self._wire.auth.challenge is not None

    def date(self) -> str | None:
        """The registry's clock, as its `Date` header has it."""
        return self._wire.http.send("GET", f"{self._wire.base}/v2/").header("Date") or None

    def manifest(self, repository: str, reference: str) -> tuple[bytes, Digest] | None:
        """A manifest's bytes, verified, and their digest; None when it does not exist."""
        asked = parse_digest(reference)
        # A registry that accepts manifests by tag only may serve them by tag only, too.
        absent = (404, *_NO_HEAD) if asked else (404,)
        answer = self._wire.ask("GET", repository, f"manifests/{reference}", headers=_ACCEPT, ok=(200, *absent))
        if answer.status in absent:
            return None
        data = answer.content
        if len(data) > MAX_MANIFEST_BYTES:
            raise RemoteError("the manifest is larger than 4 MiB", where=answer.request.shown)
        if asked is not None and not asked.matches(data):
            raise RemoteError(
                "the manifest's bytes do not match its digest", where=answer.request.shown, retryable=True
            )
        return data, asked or Digest.of(data)

    def manifest_digest(self, repository: str, reference: str) -> Digest | None:
        """The digest of the manifest that a tag or digest names; None when it does not exist.

        The digest in the header of an answer is trusted: the bytes are verified when the manifest is read by it.
        """
        answer = self._wire.ask("HEAD", repository, f"manifests/{reference}", headers=_ACCEPT, ok=(200, 404, *_NO_HEAD))
        if answer.status == 404:
            return None
        if answer.status in _NO_HEAD:
            found = self.manifest(repository, reference)
            return found[1] if found else None
        asked, told = parse_digest(reference), parse_digest(answer.header("Docker-Content-Digest"))
        # A server that answers 200 to everything, such as the login page of a proxy, does not prove that the digest exists.
        if told and asked in (None, told):
            return told
        found = self.manifest(repository, reference)
        return found[1] if found else None

    def tags(self, repository: str) -> TagList:
        """The tags of a repository; none where it does not exist."""
        return read_tags(self._wire, repository)

    def delete_manifest(self, repository: str, digest: Digest, *, attempts: int = ATTEMPTS) -> None:
        """Delete a manifest with all tags that name it; one that is gone already is fine.

        Raises: RemoteError with status 405 where the registry deletes nothing.
        """
        self._wire.ask("DELETE", repository, f"manifests/{digest}", deletes=True, ok=(200, 202, 404), attempts=attempts)

    def referrers(self, repository: str, subject: Digest) -> Listed | None:
        """The manifests that refer to another one; None where the registry keeps no list of them."""
        return read_referrers(self._wire, repository, subject)

    def put_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> bool:
        """Store a manifest under its digest or a tag; whether the registry lists it as a referrer of its subject."""
        answer = self._wire.ask(
            "PUT",
            repository,
            f"manifests/{reference}",
            headers={"Content-Type": media_type},
            body=data,
            push=True,
            ok=(200, 201, 202),
        )
        return bool(answer.header("OCI-Subject"))

    def has_blob(self, repository: str, digest: Digest, *, push: bool = True) -> bool:
        path = f"blobs/{digest}"
        answer = self._wire.ask("HEAD", repository, path, push=push, ok=(200, 404, *REDIRECTS, *_NO_HEAD))
        if answer.status in _NO_HEAD:
            answer = self._wire.ask("GET", repository, path, push=push, stream=True, ok=(200, 404, *REDIRECTS))
            with answer:
                return answer.status != 404
        return answer.status != 404

    def mount_blob(self, repository: str, digest: Digest, source: str) -> bool:
        """Mount a blob of another repository of the same registry; False where it has to be uploaded."""
        query = (("mount", digest), ("from", source))
        try:
            answer = self._wire.ask(
                "POST", repository, "blobs/uploads/", query=query, push=True, also=source, ok=(201, 202), attempts=1
            )
        except RemoteError:
            # The upload works all the same, or has the better error.
            return False
        if answer.status == 202:
            cancel_upload(self._wire, repository, answer)
        return answer.status == 201

    def upload_blob(self, repository: str, digest: Digest, path: Path, size: int, tell: Callable[[int], None]) -> None:
        """Upload a blob; `tell` is called with the bytes that were sent, and with a negative number when an attempt is discarded.

        Raises: RemoteError after the last attempt.
        """
        BlobUpload(self._wire, repository, digest, size, tell).send(path)

    def blob(self, repository: str, digest: Digest) -> Iterator[bytes]:
        """The bytes of a blob in pieces; redirects are followed without our credentials."""
        return read_blob(self._wire, repository, digest)
