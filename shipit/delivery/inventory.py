"""What the repositories of a run have already: what their tags name, which images, which blobs. Each is asked once."""

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
# What a tag names is asked again after this time: a build may take long.
_FRESH_S = 10.0


class Inventory:
    """Reads, and writes nothing. Safe to use from several threads; `close` gives up what has not begun."""

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
        """Begin to ask which manifest digest each tag names, unless that was asked just before; None where it is not there."""
        now, asked = self.registries.deadline.clock.now(), {}
        with self._lock:
            for tag in tags:
                known = self._tags.get((repository.name, tag))
                if known is None or now - known[0] > _FRESH_S:
                    known = self._tags[repository.name, tag] = now, self._workers.submit(self._tag, repository, tag)
                asked[tag] = known[1]
        return asked

    def images(self, repository: ImageRef, tags: tuple[str, ...], platform: str) -> tuple[SourceImage, ...]:
        """The images that tags name, each once; empty when nothing can be read."""
        key = (repository.name, tags, platform)
        ask = partial(self._read_images, repository, tags, platform)
        return self._images.get(key, ask, self.registries.deadline, f"the images of {repository.name}")

    def has(self, repository: ImageRef, digest: Digest) -> bool:
        """Whether a repository had a blob when that was first asked."""
        client = self.registries.client(repository)
        ask = partial(client.has_blob, repository.repository, digest)
        waiting_for = f"the blobs of {repository.name}"
        return self._blobs.get((repository.name, digest), ask, self.registries.deadline, waiting_for)

    def lacking(self, repository: ImageRef, digests: Iterable[Digest]) -> set[Digest]:
        """Those of some blobs that a repository did not have, asked side by side."""
        asked = {digest: self._workers.submit(self.has, repository, digest) for digest in digests}
        deadline, waiting_for = self.registries.deadline, f"the blobs of {repository.name}"
        return {digest for digest, answer in asked.items() if not result_of(answer, deadline, waiting_for)}

    def assume(self, repository: ImageRef, digests: Iterable[Digest]) -> None:
        """Take blobs for there that a manifest of the repository names: they need not be asked for one by one."""
        for digest in digests:
            if self._blobs.put((repository.name, digest), True):
                with self._lock:
                    self._assumed.setdefault(repository.name, set()).add(digest)

    def distrust(self, repository: ImageRef) -> set[Digest]:
        """Forget the blobs of a repository that were assumed, to ask for them after all; which they were."""
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
