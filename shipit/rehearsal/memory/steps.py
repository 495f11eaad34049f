"""The one step of a place in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from shipit.release import Step


@dataclass(frozen=True, kw_only=True)
class SetImages(Step):
    """Sets images by name, and variables to the values that the session has; removes images and variables."""

    type: ClassVar[str] = "memory.set"

    images: Mapping[str, str]
    variables: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    removed_variables: tuple[str, ...] = ()
