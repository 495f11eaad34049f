"""What deploy.yml says of a registry target."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from shipit.config.model import TargetConfig
from shipit.config.position import Keys
from shipit.config.units import Duration


class RegistryConfig(TargetConfig):
    """Publishes images to their repositories."""

    images: tuple[str, ...] | None = Field(None, description="The images to publish; default: the only one.")

    settle: Duration = Field(0.0, description="How long healthy must last to be believed.")

    def image_keys(self) -> Iterator[tuple[Keys, str | None]]:
        if self.images is None:
            yield ("images",), None
        for index, name in enumerate(self.images or ()):
            yield ("images", index), name
