"""Copies what belongs to an image from one repository to another: an index of platforms, signatures, SBOMs, attestations.

Source: OCI distribution-spec 1.1, "Pushing Manifests with Subject".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shipit.delivery.delivery import Delivery
from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.image.image import Layer
from shipit.image.layers.fetch import ensure_layer
from shipit.image.manifest import INDEX_TYPES, Descriptor, Index, InvalidManifest, parse_manifest, parse_object
from shipit.reference import ImageRef
from shipit.registry.client import RegistryClient
from shipit.registry.referrers import Listed, attached_tags, described, digests_of, referrers_tag, with_referrer

# A signature of an SBOM of an image is of the second depth.
_DEEPEST = 3
# Bounds for what a registry lists, which need not end. The bytes are those of signatures, SBOMs and attestations, without images of an index.
_MOST = 500
_MOST_BYTES = 2 * 1024**3


@dataclass
class Copies:
    """Copies manifests with their blobs, each once.

    `copied` are the artifacts that were copied, `kept` the tags of `target` that name something else and stay, `failed` what
    could not be copied, as a line each. With `is_cut` the source has more than is copied.
    """

    delivery: Delivery
    source: ImageRef
    target: ImageRef
    copied: list[Digest] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    is_cut: bool = False
    _manifests: int = 0
    _left_bytes: int = _MOST_BYTES
    _is_image: bool = False

    def copy_attached(self, subject: Digest, depth: int = 1) -> None:
        """Copy what refers to a manifest, and what refers to that. Raises: RemoteError, InvalidManifest."""
        for digest in self._referrers(subject):
            if digest in self.copied or digest == subject:
                continue
            try:
                if not self._copy(digest, str(digest)):
                    self._list(subject, digest)
            except (InvalidManifest, RemoteError) as error:
                if self._is_over or (isinstance(error, RemoteError) and error.status != 404):
                    raise
                self.failed.append(f"{digest.short}: {error}")
                continue
            self.copied.append(digest)
            if depth < _DEEPEST:
                self.copy_attached(digest, depth + 1)
        for tag in attached_tags(subject):
            self._copy_tag(tag)

    def copy_index(self, digest: Digest) -> None:
        """Copy an index with the images of all its platforms, and what is attached to it. Raises: RemoteError, InvalidManifest."""
        self._is_image = True
        self._copy(digest, str(digest))
        self._is_image = False
        self.copy_attached(digest)

    @property
    def _is_over(self) -> bool:
        return self._manifests > _MOST or self._left_bytes < 0

    def _copy_tag(self, tag: str) -> None:
        found = self._from.manifest_digest(self.source.repository, tag)
        if found is None:
            return
        there = self._to.manifest_digest(self.target.repository, tag)
        if there is None:
            self._copy(found, tag)
            self.copied.append(found)
        elif there != found:
            self.kept.append(tag)

    def _copy(self, digest: Digest, reference: str) -> bool:
        """Copy a manifest and all that it names; whether the registry lists it as a referrer by itself."""
        self._manifests += 1
        if self._manifests > _MOST:
            raise InvalidManifest(f"more than {_MOST} manifests belong to the image")
        data = self.delivery.registries.manifest_bytes(self.source, digest)
        manifest = parse_manifest(data)
        if isinstance(manifest, Index):
            for row in manifest.rows:
                self._copy(row.digest, str(row.digest))
            kind = parse_object(data, "index").get("mediaType") or INDEX_TYPES[0]
        else:
            for blob in {row.digest: row for row in (manifest.config, *manifest.layers)}.values():
                self._send(blob)
            kind = manifest.media_type
        return self._to.put_manifest(self.target.repository, reference, data, str(kind))

    def _send(self, blob: Descriptor) -> None:
        client, repository = self._to, self.target.repository
        if client.has_blob(repository, blob.digest):
            return
        is_near = self.source.registry == self.target.registry
        if is_near and client.mount_blob(repository, blob.digest, self.source.repository):
            return
        if not self._is_image:
            self._left_bytes -= blob.size_bytes
            if self._left_bytes < 0:
                raise InvalidManifest(f"more than {_MOST_BYTES // 1024**3} GiB are attached to the image")
        layer = Layer(blob.digest, blob.digest, blob.size_bytes, "none", self.source)
        path = ensure_layer(layer, self.delivery.store, self.delivery.registries)
        client.upload_blob(repository, blob.digest, path, blob.size_bytes, lambda sent: None)

    def _referrers(self, subject: Digest) -> tuple[Digest, ...]:
        listed = self._from.referrers(self.source.repository, subject)
        if listed is None:
            found = self._from.manifest(self.source.repository, referrers_tag(subject))
            listed = digests_of(found[0]) if found else Listed(())
        self.is_cut |= not listed.is_whole
        return listed.digests

    def _list(self, subject: Digest, digest: Digest) -> None:
        """Add a referrer to the list of a registry that keeps none by itself."""
        data = self.delivery.registries.manifest_bytes(self.source, digest)
        manifest = parse_manifest(data)
        kind = INDEX_TYPES[0] if isinstance(manifest, Index) else manifest.media_type
        tag = referrers_tag(subject)
        listed = self._to.manifest(self.target.repository, tag)
        after = with_referrer(listed[0] if listed else None, described(data, digest, kind))
        self._to.put_manifest(self.target.repository, tag, after, INDEX_TYPES[0])

    @property
    def _from(self) -> RegistryClient:
        return self.delivery.registries.client(self.source)

    @property
    def _to(self) -> RegistryClient:
        return self.delivery.registries.client(self.target)


def copy_attached(delivery: Delivery, source: ImageRef, target: ImageRef, digests: tuple[Digest, ...]) -> Copies:
    """Copy what belongs to a manifest: `digests` are its own, and that of the index it was found in, if any.

    Raises: RemoteError, InvalidManifest.
    """
    copies = Copies(delivery, source, target)
    own, *indexes = digests
    copies.copy_attached(own)
    for index in indexes:
        copies.copy_index(index)
    return copies
