"""The images that a build uses, each resolved once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.errors import BuildError, Interrupted, ShipitError
from shipit.image.image import BlobSource, SourceImage
from shipit.reference import parse_reference


class BaseUse(NamedTuple):
    """An image that a Dockerfile builds on or copies from, its platform, and the first line that names it."""

    image: str
    platform: str
    where: str


class ImageResolver:
    """Resolves images, remembers results and errors, and records which images were used."""

    def __init__(self, source: BlobSource) -> None:
        self._source = source
        self._known: dict[tuple[str, str], SourceImage | BuildError] = {}
        self._uses: dict[tuple[str, str], BaseUse] = {}

    @property
    def used(self) -> Mapping[BaseUse, SourceImage]:
        """The used images, in the order of their first use."""
        return {use: self.resolve(use) for use in self._uses.values()}

    def use(self, image: str, platform: str, where: str) -> SourceImage:
        """Resolve an image and record its use. Raises: BuildError at the first line that names it."""
        return self.resolve(self._uses.setdefault((image, platform), BaseUse(image, platform, where)))

    def resolve(self, use: BaseUse) -> SourceImage:
        """Resolve an image without recording a use. Raises: BuildError at the line that names it."""
        key = use.image, use.platform
        if key not in self._known:
            self._known[key] = self._resolve_new(use)
        if isinstance(found := self._known[key], BuildError):
            raise found
        return found

    def _resolve_new(self, use: BaseUse) -> SourceImage | BuildError:
        try:
            return self._source.resolve(parse_reference(use.image), use.platform)
        except Interrupted:
            raise
        except ShipitError as error:
            failed = BuildError(
                f"the base {use.image}: {error.what}",
                where=use.where,
                hint=error.hint,
                retryable=error.retryable,
                detail=[f"at {error.where}"] if error.where else [],
            )
            failed.__cause__ = error
            return failed
