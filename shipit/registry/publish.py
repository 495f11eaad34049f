"""Publishing: blobs in parallel, the manifest by its digest when all are there, tags apart and later."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Literal

from shipit.clock import Clock
from shipit.errors import ShipitError
from shipit.events import Emit, StepProgress, Transferred
from shipit.http.retry import retrying
from shipit.image.fetch import ensure_layer
from shipit.image.image import MANIFEST_TYPES, BuiltImage, Layer
from shipit.image.store import ContentStore, digest_of
from shipit.reference import ImageRef
from shipit.registry.client import RegistryClient
from shipit.registry.registries import Registries
from shipit.release import Form

PARALLEL = 4
Outcome = Literal["sent", "mounted", "there"]


@dataclass(frozen=True)
class Missing:
    """What a repository lacks of an image: its layers and config by digest and size; all empty when only tags do."""

    manifest_digest: str
    is_published: bool
    layers: tuple[Layer, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(layer.size_bytes for layer in self.layers)


def find_published(
    registries: Registries, repository: ImageRef, image: BuiltImage, form: Form, tags: Iterable[str]
) -> Missing:
    """Read what a repository has of an image; writes nothing.

    The manifest found may differ from the one we would write where the same content was compressed elsewhere: a tag
    that names a manifest of the same config is the same image, and is kept.
    """
    client = registries.client(repository.registry)
    manifest = image.manifest(form)
    digest = digest_of(manifest)
    if client.manifest_digest(repository.repository, digest):
        return Missing(digest, True)
    for tag in tags:
        named = client.manifest_digest(repository.repository, tag)
        if named and (other := _same_image(client, repository.repository, named, image, form)):
            return Missing(other, True)
    unique = {layer.digest: layer for layer in image.layers}
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        there = list(pool.map(lambda digest: client.has_blob(repository.repository, digest), unique))
    missing = tuple(layer for layer, has in zip(unique.values(), there, strict=True) if not has)
    return Missing(digest, False, missing)


def _same_image(client: RegistryClient, repository: str, digest: str, image: BuiltImage, form: Form) -> str | None:
    found = client.manifest(repository, digest)
    if found is None or found[1] != MANIFEST_TYPES[form]:
        return None
    try:
        config = json.loads(found[0])["config"]["digest"]
    except (ValueError, KeyError, TypeError):
        return None
    return digest if config == image.config_digest else None


class Publisher:
    """Publishes one image to one repository, and reports what moved."""

    def __init__(self, registries: Registries, store: ContentStore, clock: Clock, emit: Emit) -> None:
        self.registries = registries
        self.store = store
        self.clock = clock
        self.emit = emit

    def publish(self, image: BuiltImage, repository: ImageRef, form: Form, step: str) -> Transferred:
        """Upload what is missing, then the manifest under its digest. No tag is touched.

        Raises: RemoteError; nothing names the image then, and what was uploaded is found by the next run.
        """
        client = self.registries.client(repository.registry)
        self.store.put(image.config)
        config = Layer("", image.config_digest, len(image.config))
        blobs = list({layer.digest: layer for layer in (*image.layers, config)}.values())
        meter = _Meter(sum(blob.size_bytes for blob in blobs), step, self.emit)
        stop = threading.Event()

        def one(blob: Layer) -> tuple[Outcome, int]:
            if stop.is_set():
                return "there", 0
            try:
                return self._blob(client, repository, blob, meter), blob.size_bytes
            except ShipitError:
                stop.set()
                raise

        with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
            outcomes = list(pool.map(one, blobs))
        manifest = image.manifest(form)
        client.put_manifest(repository.repository, digest_of(manifest), manifest, MANIFEST_TYPES[form])
        moved = Transferred(
            repository.name,
            sum(size for outcome, size in outcomes if outcome == "sent"),
            *(sum(outcome == name for outcome, _ in outcomes) for name in ("sent", "mounted", "there")),
        )
        self.emit(moved)
        return moved

    def tag(self, repository: ImageRef, manifest_digest: str, tags: Iterable[str]) -> None:
        """Point tags at a manifest that is published."""
        client = self.registries.client(repository.registry)
        found = client.manifest(repository.repository, manifest_digest)
        if found is None:
            raise ShipitError(
                "the manifest to tag is not there", where=f"{repository.name}@{manifest_digest}", hint="run it again"
            )
        for tag in tags:
            client.put_manifest(repository.repository, tag, found[0], found[1])

    def _blob(self, client: RegistryClient, repository: ImageRef, blob: Layer, meter: _Meter) -> Outcome:
        if client.has_blob(repository.repository, blob.digest):
            meter.add(blob.size_bytes)
            return "there"
        origin = blob.origin
        lends = origin and origin.registry == repository.registry and origin.repository != repository.repository
        if origin and lends and client.mount_blob(repository.repository, blob.digest, origin.repository):
            meter.add(blob.size_bytes)
            return "mounted"
        path = ensure_layer(blob, self.store, self.registries)

        def once() -> None:
            with path.open("rb") as file:
                body = _Body(file, blob.size_bytes, meter, self.clock)
                try:
                    client.upload_blob(repository.repository, blob.digest, body, blob.size_bytes)
                except BaseException:
                    meter.add(-body.sent)
                    raise

        retrying(once, clock=self.clock, emit=self.emit)
        return "sent"


class _Body:
    """A file as a request body that counts what is read and stops when the run does."""

    def __init__(self, file: IO[bytes], size: int, meter: _Meter, clock: Clock) -> None:
        self._file, self._size, self._meter, self._clock = file, size, meter, clock
        self.sent = 0

    def __len__(self) -> int:
        return self._size

    def read(self, amount: int = -1) -> bytes:
        self._clock.check()
        data = self._file.read(amount)
        self.sent += len(data)
        self._meter.add(len(data))
        return data


class _Meter:
    """Adds up bytes over threads, and tells of them at most once per percent."""

    def __init__(self, total: int, step: str, emit: Emit) -> None:
        self._total, self._step, self._emit = total, step, emit
        self._done = self._told = 0
        self._lock = threading.Lock()

    def add(self, amount: int) -> None:
        with self._lock:
            self._done += amount
            due = abs(self._done - self._told) * 100 >= self._total or self._done == self._total
            if due:
                self._told = self._done
            done = self._done
        if due:
            self._emit(StepProgress(self._step, done, self._total))
