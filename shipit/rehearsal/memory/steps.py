"""The steps of a place in memory."""

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


@dataclass(frozen=True, kw_only=True)
class SetQuantities(Step):
    """Sets the number of instances by name."""

    type: ClassVar[str] = "memory.scale"

    quantities: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Restart(Step):
    """Restarts what runs under these names. `at` is when that was asked for."""

    type: ClassVar[str] = "memory.restart"

    names: tuple[str, ...]
    at: str


@dataclass(frozen=True, kw_only=True)
class ReturnTo(Step):
    """Sets the images, variables and quantities that the place recorded for an earlier release."""

    type: ClassVar[str] = "memory.return"

    version: str
