"""Layers that begin to move while others are still being made, and those that need not move at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.delivery.inventory import Inventory
from shipit.delivery.upload import config_blob
from shipit.delivery.uploads import Uploads
from shipit.errors import ShipitError
from shipit.image.image import BuiltImage, Layer, SourceImage
from shipit.reference import parse_reference
from shipit.release import ImageUse
from shipit.threads import Workers

BuildKey = tuple[str, str]


class EarlyUploads:
    """Hears of every new layer, and sends it to the repositories of the image's uses, unless their tags have it already.

    Nothing is sent before `allow`: a plan writes nothing. A blob alone names nothing, so a run that ends before its
    manifest leaves what the next one finds.
    """

    def __init__(self, inventory: Inventory, uploads: Uploads) -> None:
        self.inventory = inventory
        self.uploads = uploads
        self.is_allowed = False
        self._uses: dict[BuildKey, tuple[ImageUse, ...]] = {}
        self._new: set[BuildKey] = set()
        self._workers = Workers("early", 2)

    def allow(self) -> None:
        """Begin to send what is made; where the cache's disk is nearly full, only when all of it could be kept."""
        self.is_allowed = self.uploads.store.has_free_space

    def expect(self, uses: Iterable[ImageUse]) -> None:
        """Say which uses the images that are about to be built have, and begin to ask what their tags name."""
        for use in uses:
            if use.publish:
                key = (use.image, use.platform)
                self._uses[key] = (*self._uses.get(key, ()), use)
                if use.repository:
                    self.inventory.tags(parse_reference(use.repository), plain_tags(use))

    def close(self) -> None:
        self._workers.close()

    def layer_made(self, key: BuildKey, layer: Layer) -> None:
        """A layer that was not in the cache is now in the store."""
        self._new.add(key)
        if self.is_allowed:
            for use in self._uses.get(key, ()):
                self._workers.submit(self._send, use, layer)

    def earlier_configs(self, key: BuildKey) -> Iterator[bytes]:
        """Configs of the images that the tags of an image's uses name now. Each repository is asked when it is due."""
        for use in self._uses.get(key, ()):
            if use.repository:
                for image in self._published(use):
                    yield image.config

    def image_made(self, use: ImageUse, built: BuiltImage) -> None:
        """An image is built; where one of its layers is new, its config is, too."""
        if self.is_allowed and (use.image, use.platform) in self._new:
            self._workers.submit(self._send_config, use, built)

    def image_absent(self, use: ImageUse, built: BuiltImage) -> None:
        """A repository lacks an image, and so its config."""
        if self.is_allowed:
            self.uploads.send(parse_reference(use.repository), config_blob(self.uploads, built))

    def _send_config(self, use: ImageUse, built: BuiltImage) -> None:
        try:
            if all(image.config != built.config for image in self._published(use)):
                self.image_absent(use, built)
        except ShipitError:
            # As with a layer, the publishing stage tells it.
            return

    def _send(self, use: ImageUse, layer: Layer) -> None:
        repository = parse_reference(use.repository)
        try:
            if layer.diff_id not in self._published_layers(use):
                self.uploads.send(repository, layer)
        except ShipitError:
            # The publishing stage meets the same error, and tells it.
            return

    def as_published(self, use: ImageUse, built: BuiltImage) -> BuiltImage:
        """The image with the layers that its repository has in another compression replaced by those."""
        if (use.image, use.platform) not in self._new:
            return built
        known = self._published_layers(use)
        usable = {diff_id: layer for diff_id, layer in known.items() if layer.compression == "gzip"}
        return built._replace(layers=tuple(usable.get(layer.diff_id, layer) for layer in built.layers))

    def _published_layers(self, use: ImageUse) -> dict[str, Layer]:
        """Layers that a repository has, by diff_id: equal content that need not be sent in another compression."""
        return {layer.diff_id: layer for image in self._published(use) for layer in image.layers}

    def _published(self, use: ImageUse) -> tuple[SourceImage, ...]:
        return self.inventory.images(parse_reference(use.repository), plain_tags(use), use.platform)


def plain_tags(use: ImageUse) -> tuple[str, ...]:
    """The tags that are known before the image is."""
    return tuple(tag for tag in use.tags if "{" not in tag)
