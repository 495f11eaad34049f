"""What the repositories of a run have already: what their tags name, which images, which blobs. Each is asked once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from shipit.clock import Clock
from shipit.digest import Digest
from shipit.errors import Interrupted, ShipitError
from shipit.image.image import SourceImage
from shipit.reference import ImageRef
from shipit.registry.registries import Registries

_PARALLEL = 4
# What a tag names is asked again after this time: a build may take long.
_FRESH_S = 10.0
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Inventory:
    """Reads, and writes nothing. Safe to use from several threads; `close` gives up what has not begun."""

    def __init__(self, registries: Registries, clock: Clock) -> None:
        self.registries = registries
        self._clock = clock
        self._tags: dict[tuple[str, str], tuple[float, Future[Digest | None]]] = {}
        self._blobs: dict[tuple[str, Digest], bool] = {}
        self._images: dict[tuple[str, tuple[str, ...], str], tuple[SourceImage, ...]] = {}
        self._assumed: dict[str, set[Digest]] = {}
        self._lock = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._pool = ThreadPoolExecutor(max_workers=_PARALLEL, thread_name_prefix="ask")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def tags(self, repository: ImageRef, tags: Iterable[str]) -> dict[str, Future[Digest | None]]:
        """Begin to ask which manifest digest each tag names, unless that was asked just before; None where it is not there."""
        now, asked = self._clock.now(), {}
        with self._lock:
            for tag in tags:
                known = self._tags.get((repository.name, tag))
                if known is None or now - known[0] > _FRESH_S:
                    known = self._tags[repository.name, tag] = now, self._pool.submit(self._tag, repository, tag)
                asked[tag] = known[1]
        return asked

    def images(self, repository: ImageRef, tags: tuple[str, ...], platform: str) -> tuple[SourceImage, ...]:
        """The images that tags name, each once; empty when nothing can be read."""
        key = (repository.name, tags, platform)
        return self._once(self._images, key, partial(self._read_images, repository, tags, platform))

    def has(self, repository: ImageRef, digest: Digest) -> bool:
        """Whether a repository had a blob when that was first asked."""
        client = self.registries.client(repository)
        ask = partial(client.has_blob, repository.repository, digest)
        return self._once(self._blobs, (repository.name, digest), ask)

    def lacking(self, repository: ImageRef, digests: Iterable[Digest]) -> set[Digest]:
        """Those of some blobs that a repository did not have, asked side by side."""
        digests = list(digests)
        found = self._pool.map(partial(self.has, repository), digests)
        return {digest for digest, is_there in zip(digests, found, strict=True) if not is_there}

    def assume(self, repository: ImageRef, digests: Iterable[Digest]) -> None:
        """Take blobs for there that a manifest of the repository names: they need not be asked for one by one."""
        with self._lock:
            for digest in digests:
                if (repository.name, digest) not in self._blobs:
                    self._blobs[repository.name, digest] = True
                    self._assumed.setdefault(repository.name, set()).add(digest)

    def distrust(self, repository: ImageRef) -> set[Digest]:
        """Forget the blobs of a repository that were assumed, to ask for them after all; which they were."""
        with self._lock:
            digests = self._assumed.pop(repository.name, set())
            for digest in digests:
                del self._blobs[repository.name, digest]
        return digests

    def _tag(self, repository: ImageRef, tag: str) -> Digest | None:
        return self.registries.client(repository).manifest_digest(repository.repository, tag)

    def _read_images(self, repository: ImageRef, tags: tuple[str, ...], platform: str) -> tuple[SourceImage, ...]:
        found: dict[ImageRef, SourceImage] = {}
        for answer in self.tags(repository, tags).values():
            try:
                if (digest := answer.result()) is None:
                    continue
                ref = ImageRef(repository.registry, repository.repository, None, digest)
                image = self.registries.resolve(ref, platform, mirrored=False)
            except Interrupted:
                raise
            except ShipitError:
                continue
            found[image.ref] = image
        return tuple(found.values())

    def _once(self, known: dict[K, T], key: K, ask: Callable[[], T]) -> T:
        """What is known under a key; whoever comes first asks, and the others wait. An error is not kept."""
        with self._lock:
            lock = self._locks.setdefault((id(known), key), threading.Lock())
        with lock:
            if key not in known:
                known[key] = ask()
            return known[key]
