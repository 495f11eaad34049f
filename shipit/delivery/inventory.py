"""What the repositories of a run hold: tags, images, blobs. Each question is sent once."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial

from shipit.digest import Digest
from shipit.errors import DeadlinePassed, Interrupted, ShipitError
from shipit.image.image import SourceImage
from shipit.reference import ImageRef
from shipit.registry.registries import Registries
from shipit.threads import Once, Workers, result_of

_PARALLEL = 4
# A tag is read again after this time: a build may take long.
_FRESH_S = 10.0


class Inventory:
    """Reads repositories. Safe to use from several threads; `close` cancels requests that have not started."""

    def __init__(self, registries: Registries) -> None:
        self.registries = registries
        self._tags: dict[tuple[str, str], tuple[float, Future[Digest | None]]] = {}
        self._blobs: Once[tuple[str, Digest], bool] = Once()
        self._images: Once[tuple[str, tuple[str, ...], str], tuple[SourceImage, ...]] = Once()
        self._assumed: dict[str, set[Digest]] = {}
        self._lock = threading.Lock()
        self._workers = Workers("ask", _PARALLEL)

    def close(self) -> None:
        self._workers.close()

    def tags(self, repository: ImageRef, tags: Iterable[str]) -> dict[str, Future[Digest | None]]:
        """Tag -> future of the manifest digest that it names; None for a tag that does not exist. Recent answers are reused."""
        now, asked = self.registries.deadline.clock.now(), {}
        with self._lock:
            for tag in tags:
                known = self._tags.get((repository.name, tag))
                if known is None or now - known[0] > _FRESH_S:
                    known = self._tags[repository.name, tag] = now, self._workers.submit(self._tag, repository, tag)
                asked[tag] = known[1]
        return asked

    def images(self, repository: ImageRef, tags: tuple[str, ...], platform: str) -> tuple[SourceImage, ...]:
        """The images that the tags name, without duplicates; empty when none can be read."""
        key = (repository.name, tags, platform)
        ask = partial(self._read_images, repository, tags, platform)
        return self._images.get(key, ask, self.registries.deadline, f"the images of {repository.name}")

    def has(self, repository: ImageRef, digest: Digest) -> bool:
        """Whether a repository had a blob when it was first checked."""
        client = self.registries.client(repository)
        ask = partial(client.has_blob, repository.repository, digest)
        waiting_for = f"the blobs of {repository.name}"
        return self._blobs.get((repository.name, digest), ask, self.registries.deadline, waiting_for)

    def lacking(self, repository: ImageRef, digests: Iterable[Digest]) -> set[Digest]:
        """The given blobs that a repository lacks, checked in parallel."""
        asked = {digest: self._workers.submit(self.has, repository, digest) for digest in digests}
        deadline, waiting_for = self.registries.deadline, f"the blobs of {repository.name}"
        return {digest for digest, answer in asked.items() if not result_of(answer, deadline, waiting_for)}

    def assume(self, repository: ImageRef, digests: Iterable[Digest]) -> None:
        """Assume that a repository has the blobs that one of its manifests names, without checking each."""
        for digest in digests:
            if self._blobs.put((repository.name, digest), True):
                with self._lock:
                    self._assumed.setdefault(repository.name, set()).add(digest)

    def forget_assumed(self, repository: ImageRef) -> set[Digest]:
        """Drop the assumptions about a repository, so that its blobs are checked; the digests that were assumed."""
        with self._lock:
            digests = self._assumed.pop(repository.name, set())
        for digest in digests:
            self._blobs.forget((repository.name, digest))
        return digests

    def _tag(self, repository: ImageRef, tag: str) -> Digest | None:
        return self.registries.client(repository).manifest_digest(repository.repository, tag)

    def _read_images(self, repository: ImageRef, tags: tuple[str, ...], platform: str) -> tuple[SourceImage, ...]:
        found: dict[ImageRef, SourceImage] = {}
        for tag, answer in self.tags(repository, tags).items():
            try:
                digest = result_of(answer, self.registries.deadline, f"what {repository.name}:{tag} names")
                if digest is None:
                    continue
                ref = ImageRef(repository.registry, repository.repository, None, digest)
                image = self.registries.resolve(ref, platform, mirrored=False)
            except (DeadlinePassed, Interrupted):
                raise
            except ShipitError:
                continue
            found[image.ref] = image
        return tuple(found.values())
