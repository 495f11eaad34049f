"""What is observed of repositories, as plain values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.digest import Digest


class HubTag(NamedTuple):
    """A tag, and the time of its last push in the form of RFC 3339; empty when unknown."""

    name: str
    pushed: str


class RegistryObserved(NamedTuple):
    """`manifests`: `REPOSITORY TAG-OR-DIGEST` -> the manifest digest that it names, or None when it does not exist.

    `descriptions` and `tags` are Docker Hub's, by repository; read only for the keys of deploy.yml that need them.
    """

    manifests: Mapping[str, Digest | None]
    descriptions: Mapping[str, str | None] = {}
    tags: Mapping[str, tuple[HubTag, ...]] = {}
