"""Fields and objects of a place that something else owns, and targets that can take them over."""

from __future__ import annotations

from typing import Protocol, Self, TypeGuard

from shipit.errors import RemoteError
from shipit.targets.base import Target


class OwnedByOthers(RemoteError):
    """Another tool applies what a target wants to set. `where` is the name of the target, `detail` has the further ones."""


class TakesOver(Target, Protocol):
    """A target that can set what another tool owns, where somebody decides so."""

    def taking_over(self) -> Self:
        """The same target, for which what others own is no error."""
        ...


def can_take_over(target: Target) -> TypeGuard[TakesOver]:
    return hasattr(target, "taking_over")
