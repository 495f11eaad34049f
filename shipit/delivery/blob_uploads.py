"""Uploads of blobs: each blob is checked for once and sent at most once per repository."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from shipit.delivery.inventory import Inventory
from shipit.digest import Digest
from shipit.errors import Interrupted, ShipitError
from shipit.events import Emit
from shipit.image.image import Layer
from shipit.image.store.content_store import ContentStore
from shipit.reference import ImageRef
from shipit.registry.client import RegistryClient
from shipit.registry.registries import Registries
from shipit.threads import Workers

PARALLEL = 4
# A new blob up to this size is sent without a check: sending it takes about as long as the answer.
CHECK_ABOVE_BYTES = 128 * 1024
Outcome = Literal["sent", "mounted", "there"]
Watcher = Callable[[int], None]


class GivenUp(ShipitError):
    """A blob was not sent because another upload to the same repository failed."""


@dataclass
class _Blob:
    """One blob for one repository. `moved` counts the bytes that were sent; each watcher is called with every increase.

    `is_new` is whether it was made in this run, and so is probably absent.
    """

    repository: ImageRef
    layer: Layer
    is_new: bool = False
    sending: Future[Outcome] | None = None
    moved: int = 0
    watchers: list[Watcher] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

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


class BlobUploads:
    """Uploads the blobs of a run. Safe to use from several threads; `close` cancels uploads that have not started."""

    def __init__(self, registries: Registries, inventory: Inventory, store: ContentStore, emit: Emit) -> None:
        self.registries = registries
        self.inventory = inventory
        self.store = store
        self.emit = emit
        self._blobs: dict[tuple[str, Digest], _Blob] = {}
        self._lock = threading.Lock()
        self._workers = Workers("upload", PARALLEL)
        self._closed = threading.Event()
        self._failed: set[str] = set()

    def close(self) -> None:
        self._closed.set()
        self._workers.close()

    def resend_assumed(self, repository: ImageRef) -> bool:
        """Forget which blobs of a repository were only assumed to exist, so that they are checked and sent; whether there were any."""
        digests = self.inventory.forget_assumed(repository)
        with self._lock:
            for digest in digests:
                self._blobs.pop((repository.name, digest), None)
        return bool(digests)

    def send(
        self, repository: ImageRef, layer: Layer, watcher: Watcher | None = None, *, is_new: bool = False
    ) -> Future[Outcome]:
        """Start to upload a blob, or join the upload that is running. The future gives `there` where the repository has it already.

        `is_new` is whether the blob was made in this run.
        """
        blob = self._blob(repository, layer, is_new)
        if watcher:
            blob.watch(watcher)
        with blob.lock:
            if blob.sending is None:
                blob.sending = self._workers.submit(self._send, blob)
            return blob.sending

    def _blob(self, repository: ImageRef, layer: Layer, is_new: bool) -> _Blob:
        with self._lock:
            return self._blobs.setdefault((repository.name, layer.digest), _Blob(repository, layer, is_new))

    def _send(self, blob: _Blob) -> Outcome:
        if self._closed.is_set():
            raise Interrupted
        name = blob.repository.name
        if name in self._failed:
            raise GivenUp("cancelled: another upload to this repository failed", where=name)
        try:
            return self._sent(blob)
        except ShipitError:
            # Without this blob the repository can't accept the image: cancel its other uploads.
            self._failed.add(name)
            raise

    def _sent(self, blob: _Blob) -> Outcome:
        repository, layer = blob.repository, blob.layer
        client = self.registries.client(repository)
        is_checked = not blob.is_new or layer.size_bytes > CHECK_ABOVE_BYTES
        if is_checked and self.inventory.has(repository, layer.digest):
            blob.add(layer.size_bytes)
            return "there"
        if self._mounted(client, repository, layer):
            blob.add(layer.size_bytes)
            return "mounted"
        from shipit.image.layers.fetch import ensure_layer

        path = ensure_layer(layer, self.store, self.registries)
        client.upload_blob(repository.repository, layer.digest, path, layer.size_bytes, blob.add)
        return "sent"

    @staticmethod
    def _mounted(client: RegistryClient, repository: ImageRef, layer: Layer) -> bool:
        origin = layer.origin
        if origin is None or origin.registry != repository.registry or origin.repository == repository.repository:
            return False
        return client.mount_blob(repository.repository, layer.digest, origin.repository)
