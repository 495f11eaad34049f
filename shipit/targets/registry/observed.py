"""Repositories as observed, as plain values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class HubTag(NamedTuple):
    """A tag, and when it was last pushed, in the form of RFC 3339; empty when the Hub does not say."""

    name: str
    pushed: str


class RegistryObserved(NamedTuple):
    """Tags and digests asked for -> the manifest digest each names now, or None.

    `descriptions` and `tags` are Docker Hub's, by repository, and only where they are wanted.
    """

    manifests: Mapping[str, str | None]
    descriptions: Mapping[str, str | None] = {}
    tags: Mapping[str, tuple[HubTag, ...]] = {}
