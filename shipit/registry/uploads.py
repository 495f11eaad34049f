"""Blobs on their way: each is looked for once and sent at most once per repository, as soon as it is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

from shipit.clock import Clock
from shipit.errors import Interrupted, ShipitError
from shipit.events import Emit
from shipit.http.retry import retrying
from shipit.image.fetch import ensure_layer
from shipit.image.image import Layer, SourceImage
from shipit.image.store import ContentStore
from shipit.reference import ImageRef
from shipit.registry.client import RegistryClient
from shipit.registry.registries import Registries

PARALLEL = 4
# What a tag names is asked once within this time, by whoever needs it.
_FRESH_S = 10.0
Outcome = Literal["sent", "mounted", "there"]
Watcher = Callable[[int], None]


class GivenUp(ShipitError):
    """A blob that was not sent, because another one of its repository failed."""


@dataclass
class _Blob:
    """One blob for one repository. `moved` are the bytes that are over there, told to each watcher as they grow."""

    repository: ImageRef
    layer: Layer
    is_there: bool | None = None
    sending: Future[Outcome] | None = None
    moved: int = 0
    watchers: list[Watcher] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    asking: threading.Lock = field(default_factory=threading.Lock)

    def add(self, amount: int) -> None:
        with self.lock:
            self.moved += amount
            watchers = list(self.watchers)
        for watcher in watchers:
            watcher(amount)

    def watch(self, watcher: Watcher) -> None:
        with self.lock:
            self.watchers.append(watcher)
            moved = self.moved
        if moved:
            watcher(moved)


class Uploads:
    """The blobs of a run. Safe to use from several threads; `close` gives up what has not begun."""

    def __init__(self, registries: Registries, store: ContentStore, clock: Clock, emit: Emit) -> None:
        self.registries = registries
        self.store = store
        self.clock = clock
        self.emit = emit
        self._blobs: dict[tuple[str, str], _Blob] = {}
        self._published: dict[tuple[str, tuple[str, ...]], Future[tuple[SourceImage, ...]]] = {}
        self._tags: dict[tuple[str, str], tuple[float, Future[str | None]]] = {}
        self._assumed: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="upload")
        self._asking = ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="ask")
        self._closed = threading.Event()
        self._failed: set[str] = set()

    def close(self) -> None:
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._asking.shutdown(wait=False, cancel_futures=True)

    def look(self, repository: ImageRef, layers: Mapping[str, Layer]) -> dict[str, bool]:
        """Which blobs the repository had, by digest, before any of them was sent."""
        blobs = {digest: self._blob(repository, layer) for digest, layer in layers.items()}
        return dict(zip(blobs, self._asking.map(self._look, blobs.values()), strict=True))

    def assume(self, repository: ImageRef, digests: Iterable[str]) -> None:
        """Take blobs for there that a manifest of the repository names: they need not be asked for one by one."""
        with self._lock:
            self._assumed.setdefault(repository.name, set()).update(digests)

    def distrust(self, repository: ImageRef) -> bool:
        """Ask for every blob that was taken for there after all; whether there was any."""
        with self._lock:
            digests = self._assumed.pop(repository.name, set())
            for digest in digests:
                self._blobs.pop((repository.name, digest), None)
        return bool(digests)

    def ask_tags(self, repository: ImageRef, tags: Iterable[str]) -> dict[str, Future[str | None]]:
        """Begin to ask which manifest digest each tag names now, unless that was asked just before; None where none."""
        now, asked = self.clock.now(), {}
        with self._lock:
            for tag in tags:
                known = self._tags.get((repository.name, tag))
                if known is None or now - known[0] > _FRESH_S:
                    known = self._tags[repository.name, tag] = now, self._asking.submit(self._ask_tag, repository, tag)
                asked[tag] = known[1]
        return asked

    def _ask_tag(self, repository: ImageRef, tag: str) -> str | None:
        return self.registries.client(repository).manifest_digest(repository.repository, tag)

    def send(self, repository: ImageRef, layer: Layer, watcher: Watcher | None = None) -> Future[Outcome]:
        """Begin to send a blob that is not there yet, or join those who have begun."""
        blob = self._blob(repository, layer)
        if watcher:
            blob.watch(watcher)
        with blob.lock:
            if blob.sending is None:
                blob.sending = self._pool.submit(self._send, blob)
            return blob.sending

    def published(self, repository: ImageRef, tags: tuple[str, ...], platform: str) -> tuple[SourceImage, ...]:
        """The images that tags name now, each once. Asked once; empty when nothing can be read."""
        key = (f"{repository.name} {platform}", tags)
        with self._lock:
            if key not in self._published:
                self._published[key] = self._pool.submit(self._read_published, repository, tags, platform)
            future = self._published[key]
        return future.result()

    def _read_published(self, repository: ImageRef, tags: tuple[str, ...], platform: str) -> tuple[SourceImage, ...]:
        found: dict[ImageRef, SourceImage] = {}
        for answer in self.ask_tags(repository, tags).values():
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

    def _blob(self, repository: ImageRef, layer: Layer) -> _Blob:
        with self._lock:
            return self._blobs.setdefault((repository.name, layer.digest), _Blob(repository, layer))

    def _look(self, blob: _Blob) -> bool:
        with blob.asking:
            if blob.is_there is None and blob.layer.digest in self._assumed.get(blob.repository.name, ()):
                blob.is_there = True
            if blob.is_there is None:
                client = self.registries.client(blob.repository)
                blob.is_there = client.has_blob(blob.repository.repository, blob.layer.digest)
            return blob.is_there

    def _send(self, blob: _Blob) -> Outcome:
        if self._closed.is_set():
            raise Interrupted
        name = blob.repository.name
        if name in self._failed:
            raise GivenUp("is given up, since another upload there failed", where=name)
        try:
            return self._sent(blob)
        except ShipitError:
            # A repository that lacks one blob for good can't take the image: its other uploads are pointless.
            self._failed.add(name)
            raise

    def _sent(self, blob: _Blob) -> Outcome:
        repository, layer = blob.repository, blob.layer
        client = self.registries.client(repository)
        if self._look(blob):
            blob.add(layer.size_bytes)
            return "there"
        if self._mounted(client, repository, layer):
            blob.add(layer.size_bytes)
            return "mounted"
        path = ensure_layer(layer, self.store, self.registries)

        def once() -> None:
            before = blob.moved
            try:
                client.upload_blob(repository.repository, layer.digest, path, layer.size_bytes, blob.add)
            except BaseException:
                blob.add(before - blob.moved)
                raise

        retrying(once, clock=self.clock, emit=self.emit)
        return "sent"

    @staticmethod
    def _mounted(client: RegistryClient, repository: ImageRef, layer: Layer) -> bool:
        origin = layer.origin
        if origin is None or origin.registry != repository.registry or origin.repository == repository.repository:
            return False
        return client.mount_blob(repository.repository, layer.digest, origin.repository)
