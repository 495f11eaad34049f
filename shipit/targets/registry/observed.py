"""Repositories as observed, as plain values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class HubTag(NamedTuple):
    """A tag, and when it was last pushed, in the form of RFC 3339; empty when the Hub does not say."""

    name: str
    pushed: str


@dataclass(frozen=True)
class RegistryObserved:
    """Tags and digests asked for -> the manifest digest each names now, or None.

    `descriptions` and `tags` are Docker Hub's, by repository, and only where they are wanted.
    """

    manifests: Mapping[str, str | None]
    descriptions: Mapping[str, str | None] = field(default_factory=dict)
    tags: Mapping[str, tuple[HubTag, ...]] = field(default_factory=dict)
