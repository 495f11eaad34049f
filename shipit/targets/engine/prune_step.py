"""The step that removes from an engine what no place and no rollback needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shipit.release import Step


@dataclass(frozen=True, kw_only=True)
class PruneEngine(Step):
    """Removes containers, images and networks of a target by their names, and what is `kept` for releases that are too old to return to.

    Each is looked at again before: what something needs meanwhile stays.
    """

    type: ClassVar[str] = "engine.prune"
    # The sizes of images, and how many there are, change by themselves.
    unstable: ClassVar[frozenset[str]] = frozenset(["detail"])

    host: str
    containers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
