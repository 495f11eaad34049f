"""Uploads that run while the build goes on: a layer is sent as soon as it is made, unless the repository has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.delivery.blob_uploads import BlobUploads
from shipit.delivery.inventory import Inventory
from shipit.delivery.publish_image import config_blob
from shipit.errors import ShipitError
from shipit.image.image import BuiltImage, Layer, SourceImage
from shipit.reference import parse_reference
from shipit.release import ImageUse
from shipit.threads import Workers

BuildKey = tuple[str, str]


class BackgroundUploads:
    """Is told of every new layer, and uploads it to the repositories that will pull the image.

    Nothing is uploaded before `allow`: a plan writes nothing. A run that ends before the manifest is pushed leaves blobs
    that no tag names; the next run finds and uses them.
    """

    def __init__(self, inventory: Inventory, uploads: BlobUploads) -> None:
        self.inventory = inventory
        self.uploads = uploads
        self.is_allowed = False
        self._uses: dict[BuildKey, tuple[ImageUse, ...]] = {}
        self._new: set[BuildKey] = set()
        self._workers = Workers("background", 2)

    def allow(self) -> None:
        """Allow uploads from now on, unless the cache's disk is nearly full: the build may then fail for lack of space."""
        self.is_allowed = self.uploads.store.has_free_space

    def expect(self, uses: Iterable[ImageUse]) -> None:
        """Register the uses of the images that are about to be built, and start to read their tags."""
        for use in uses:
            if use.publish:
                key = (use.image, use.platform)
                self._uses[key] = (*self._uses.get(key, ()), use)
                if use.repository:
                    self.inventory.tags(parse_reference(use.repository), plain_tags(use))

    def close(self) -> None:
        self._workers.close()

    def layer_made(self, key: BuildKey, layer: Layer) -> None:
        """Called when a layer was built that was not in the cache."""
        self._new.add(key)
        if self.is_allowed:
            for use in self._uses.get(key, ()):
                self._workers.submit(self._send, use, layer)

    def earlier_configs(self, key: BuildKey) -> Iterator[bytes]:
        """Configs of the images that the tags of an image name now. Repositories are read lazily, one after the other."""
        for use in self._uses.get(key, ()):
            if use.repository:
                for image in self._published(use):
                    yield image.config

    def image_made(self, use: ImageUse, built: BuiltImage) -> None:
        """Called when an image is built; its config is uploaded where one of its layers is new."""
        if self.is_allowed and (use.image, use.platform) in self._new:
            self._workers.submit(self._send_config, use, built)

    def image_absent(self, use: ImageUse, built: BuiltImage) -> None:
        """Called when a repository lacks an image, and therefore its config."""
        if self.is_allowed:
            self.uploads.send(parse_reference(use.repository), config_blob(self.uploads, built))

    def _send_config(self, use: ImageUse, built: BuiltImage) -> None:
        try:
            if all(image.config != built.config for image in self._published(use)):
                self.uploads.send(parse_reference(use.repository), config_blob(self.uploads, built), is_new=True)
        except ShipitError:
            # The publishing stage meets the same error and reports it.
            return

    def _send(self, use: ImageUse, layer: Layer) -> None:
        repository = parse_reference(use.repository)
        try:
            if layer.diff_id not in self._published_layers(use):
                self.uploads.send(repository, layer, is_new=True)
        except ShipitError:
            # The publishing stage meets the same error and reports it.
            return

    def as_published(self, use: ImageUse, built: BuiltImage) -> BuiltImage:
        """The image with each layer that its repository has with another compression replaced by that one."""
        if (use.image, use.platform) not in self._new:
            return built
        known = self._published_layers(use)
        usable = {diff_id: layer for diff_id, layer in known.items() if layer.compression == "gzip"}
        return built._replace(layers=tuple(usable.get(layer.diff_id, layer) for layer in built.layers))

    def _published_layers(self, use: ImageUse) -> dict[str, Layer]:
        """diff_id -> layer of the images that the repository holds."""
        return {layer.diff_id: layer for image in self._published(use) for layer in image.layers}

    def _published(self, use: ImageUse) -> tuple[SourceImage, ...]:
        return self.inventory.images(parse_reference(use.repository), plain_tags(use), use.platform)


def plain_tags(use: ImageUse) -> tuple[str, ...]:
    """The tags that do not depend on the image."""
    return tuple(tag for tag in use.tags if "{" not in tag)
