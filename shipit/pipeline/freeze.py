"""Freeze windows of deploy.yml: finds the one at a time, and refuses deploys in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from shipit.config.freeze import FreezeConfig
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

# The most windows that follow one another.
_MOST_WINDOWS = 100


class Frozen(NamedTuple):
    """A freeze: its end in words, and its reason; the reason is empty where none is given."""

    until: str
    reason: str

    @property
    def said(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"deploys are frozen {self.until}{reason}"


def frozen_at(windows: Sequence[FreezeConfig], wall_s: float) -> Frozen | None:
    """The freeze at a time in seconds since the epoch, with the end of the last window that follows without a gap."""
    end, reason, zone = datetime.fromtimestamp(wall_s, UTC), "", ""
    for count in range(_MOST_WINDOWS):
        found = [(until, window) for window in windows if (until := window.until(end)) is not None]
        if not found:
            return Frozen(f"until {end:%Y-%m-%d %H:%M} {zone}", reason) if count else None
        end, window = max(found, key=lambda one: one[0])
        reason, zone = reason or window.reason, window.zone
    return Frozen("all the time: the windows of freeze: leave no gap", reason)


def check_freeze(run: Run, override: str) -> None:
    """Raises: UsageError in a freeze, without a reason to override it."""
    frozen = frozen_at(run.project.freeze, run.clock.wall_s())
    if frozen and not override:
        hint = "deploy after that, or override it: --override-freeze REASON"
        raise UsageError(f"{frozen.said}; nothing was changed", hint=hint)
