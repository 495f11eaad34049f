"""The images that a build uses: each asked for once, whatever came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.errors import BuildError, Interrupted, ShipitError
from shipit.image.image import BlobSource, SourceImage
from shipit.reference import parse_reference


class BaseUse(NamedTuple):
    """An image that a Dockerfile builds on or copies from, for which platform, and the line that names it."""

    image: str
    platform: str
    where: str


class UsedBases:
    """What a build has asked for of a source, and what of it was used."""

    def __init__(self, source: BlobSource) -> None:
        self._source = source
        self._known: dict[tuple[str, str], SourceImage | BuildError] = {}
        self._uses: dict[tuple[str, str], BaseUse] = {}

    @property
    def used(self) -> Mapping[BaseUse, SourceImage]:
        """The images in the order of their first use."""
        return {use: self.ask(use) for use in self._uses.values()}

    def use(self, image: str, platform: str, where: str) -> SourceImage:
        """The image, which counts as used. Raises: BuildError at the line that named it first."""
        return self.ask(self._uses.setdefault((image, platform), BaseUse(image, platform, where)))

    def ask(self, use: BaseUse) -> SourceImage:
        """The image, which does not count as used for that. Raises: BuildError at the line that names it."""
        key = use.image, use.platform
        if key not in self._known:
            self._known[key] = self._asked(use)
        if isinstance(found := self._known[key], BuildError):
            raise found
        return found

    def _asked(self, use: BaseUse) -> SourceImage | BuildError:
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
