"""Manifests that are no files of the project: their text, and why they can't be had."""

from typing import NamedTuple

from shipit.config.position import Keys


class Source(NamedTuple):
    """The text of manifests, and how messages call it."""

    name: str
    data: bytes


class SourceFailed(Exception):
    """Manifests that can't be had. `keys` is the path within the target in deploy.yml."""

    def __init__(self, keys: Keys, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.keys, self.what, self.hint = keys, what, hint
