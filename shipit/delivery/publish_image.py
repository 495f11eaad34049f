"""Publish one image to one repository: blobs in parallel, then the manifest by digest, then tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from shipit.clock import Deadline
from shipit.delivery.blob_uploads import BlobUploads, GivenUp, Outcome
from shipit.delivery.inventory import Inventory
from shipit.delivery.meter import Meter
from shipit.digest import Digest
from shipit.errors import RemoteError, ShipitError
from shipit.events import StepId, StepProgress, Transferred
from shipit.image.image import BuiltImage, Layer
from shipit.image.manifest import MANIFEST_TYPES, InvalidManifest, Manifest
from shipit.reference import ImageRef
from shipit.registry.client import RegistryClient
from shipit.registry.registries import Registries
from shipit.release import Form
from shipit.threads import result_of


class Missing(NamedTuple):
    """What a repository lacks of an image. `is_published` is whether the manifest is there: only tags may be missing then."""

    manifest_digest: Digest
    is_published: bool
    layers: tuple[Layer, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(layer.size_bytes for layer in self.layers)


def find_published(
    inventory: Inventory,
    repository: ImageRef,
    image: BuiltImage,
    form: Form,
    tags: Mapping[str, Digest | None],
    absent: Callable[[], None] = lambda: None,
) -> Missing:
    """Read what a repository has of an image; writes nothing. `absent` is called as soon as the manifest is known to be missing.

    `tags`: tag -> manifest digest that it names now. A tag that names another manifest of the same config names the same
    image, compressed elsewhere: that manifest is kept.
    """
    client = inventory.registries.client(repository)
    digest = Digest.of(image.manifest(form))
    named = dict.fromkeys(found for found in tags.values() if found)
    if digest in named or client.manifest_digest(repository.repository, digest):
        return Missing(digest, True)
    for found in named:
        manifest = _manifest(inventory.registries, repository, found)
        if manifest is None:
            continue
        if manifest.form == form and manifest.config.digest == image.config_digest:
            return Missing(found, True)
        inventory.assume(repository, manifest.digests)
    absent()
    unique = {layer.digest: layer for layer in image.layers}
    lacking = inventory.lacking(repository, unique)
    return Missing(digest, False, tuple(layer for layer in unique.values() if layer.digest in lacking))


def _manifest(registries: Registries, repository: ImageRef, digest: Digest) -> Manifest | None:
    """A manifest of a repository; None where it does not exist or is not that of one image."""
    try:
        found = registries.manifest(repository, digest)
    except InvalidManifest:
        return None
    except RemoteError as error:
        if error.status != 404:
            raise
        return None
    return found if isinstance(found, Manifest) else None


def publish_image(
    uploads: BlobUploads,
    image: BuiltImage,
    repository: ImageRef,
    form: Form,
    step: StepId,
    own_tag: str = "",
    content_tag: str = "",
) -> Transferred:
    """Upload the missing blobs, then the manifest by its digest, and report what was sent. No tag is moved.

    `own_tag` is a new tag for a registry that accepts manifests by tag only. With a `content_tag`, which names no other
    image ever, the manifest is put by that tag alone: the registry knows it by its digest then, too.
    Raises: RemoteError; no tag names the image then, and the next run finds the uploaded blobs.
    """
    blobs = list({layer.digest: layer for layer in (*image.layers, config_blob(uploads, image))}.values())
    manifest, client = image.manifest(form), uploads.registries.client(repository)
    put = partial(_put, client, repository, manifest, form, own_tag, content_tag)
    # The next run reads this manifest when it looks at the tags.
    uploads.store.put(manifest)
    outcomes = _send_all(uploads, repository, blobs, step)
    try:
        put()
    except RemoteError as error:
        # A registry may have lost blobs that its own manifests name.
        if error.status not in (400, 404) or not uploads.resend_assumed(repository):
            raise
        outcomes = _send_all(uploads, repository, blobs, step)
        put()
    moved = Transferred(
        repository.name,
        sum(blob.size_bytes for blob, outcome in zip(blobs, outcomes, strict=True) if outcome == "sent"),
        *(outcomes.count(name) for name in ("sent", "mounted", "there")),
    )
    uploads.emit(moved)
    return moved


def _put(
    client: RegistryClient, repository: ImageRef, manifest: bytes, form: Form, own_tag: str, content_tag: str
) -> None:
    if content_tag:
        client.put_manifest(repository.repository, content_tag, manifest, MANIFEST_TYPES[form])
        return
    try:
        client.put_manifest(repository.repository, Digest.of(manifest), manifest, MANIFEST_TYPES[form])
    except RemoteError as error:
        if error.status not in (405, 501) or not own_tag:
            raise
        client.put_manifest(repository.repository, own_tag, manifest, MANIFEST_TYPES[form])


def config_blob(uploads: BlobUploads, image: BuiltImage) -> Layer:
    """The config of an image as a blob of the store."""
    uploads.store.put(image.config)
    return Layer(image.config_digest, image.config_digest, len(image.config), "none")


def _send_all(uploads: BlobUploads, repository: ImageRef, blobs: Sequence[Layer], step: StepId) -> list[Outcome]:
    meter = Meter(
        sum(blob.size_bytes for blob in blobs), lambda done, total: uploads.emit(StepProgress(step, done, total))
    )
    sending = [uploads.send(repository, blob, meter.add) for blob in blobs]
    return _results(sending, repository.name, uploads.registries.deadline)


def _results(sending: list[Future[Outcome]], name: str, deadline: Deadline) -> list[Outcome]:
    """The outcome of every upload. Raises: the first error that is not a consequence of another."""
    outcomes: list[Outcome] = []
    errors: list[ShipitError] = []
    for future in sending:
        try:
            outcomes.append(result_of(future, deadline, f"the blobs of {name} to be sent"))
        except ShipitError as error:
            errors.append(error)
    causes = [error for error in errors if not isinstance(error, GivenUp)] or errors
    if causes:
        raise causes[0]
    return outcomes


def put_tags(
    uploads: BlobUploads,
    repository: ImageRef,
    image: BuiltImage,
    form: Form,
    manifest_digest: Digest,
    tags: Iterable[str],
) -> None:
    """Point tags at a published manifest: the image's own, or another manifest of the same image."""
    if not (tags := tuple(tags)):
        return
    client = uploads.registries.client(repository)
    own = image.manifest(form)
    found = (
        (own, manifest_digest)
        if manifest_digest.matches(own)
        else client.manifest(repository.repository, manifest_digest)
    )
    if found is None:
        raise ShipitError(
            "the manifest to tag is not there", where=f"{repository.name}@{manifest_digest}", hint="run it again"
        )
    for tag in tags:
        client.put_manifest(repository.repository, tag, found[0], MANIFEST_TYPES[form])
