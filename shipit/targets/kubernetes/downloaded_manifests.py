"""Manifests behind URLs, held against their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.http.messages import Request
from shipit.http.redirects import redirected
from shipit.http.transport import Transport
from shipit.http.urls import shown
from shipit.targets.kubernetes.manifest_objects import MAX_BYTES
from shipit.targets.kubernetes.manifest_sources import ManifestConfig
from shipit.targets.kubernetes.source import Source, SourceFailed

_TIMEOUT_S = 60.0


def downloaded(manifests: Sequence[ManifestConfig], environment: ProcessEnvironment) -> Iterator[Source]:
    """The files behind URLs, each in 60 s and up to 16 MiB. Raises: SourceFailed."""
    named: list[str] = []
    for index, manifest in enumerate(manifests):
        if manifest.url is None:
            continue
        try:
            data = _content(manifest.url, environment)
        except RemoteError as error:
            raise SourceFailed(("manifests", index, "url"), f"{error.where}: {error.what}", error.hint) from None
        found = hashlib.sha256(data).hexdigest()
        if found != manifest.sha256:
            what = f"is not the checksum of the file, which is {found}"
            raise SourceFailed(("manifests", index, "sha256"), what, "look at what changed; then correct sha256:")
        # The query of a URL is not shown, since it may hold credentials.
        name = shown("GET", manifest.url).removeprefix("GET ")
        named.append(name)
        yield Source(name if named.count(name) == 1 else f"{name} ({named.count(name)})", data)


def _content(url: str, environment: ProcessEnvironment) -> bytes:
    """The content of a URL. Raises: RemoteError."""
    transport = Transport(environment, Deadline.after(Clock(), _TIMEOUT_S))
    try:
        with redirected(transport.answer)(Request("GET", url, stream=True)) as answer:
            if answer.status != 200:
                raise RemoteError(f"answers {answer.status}", where=answer.request.shown, status=answer.status)
            return b"".join(answer.pieces(most_bytes=MAX_BYTES))
    finally:
        transport.close()
