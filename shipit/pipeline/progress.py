"""The progress of the targets of a run: each waits here for the targets that it needs."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from shipit.clock import Clock
from shipit.events import Serving

if TYPE_CHECKING:
    from shipit.pipeline.take_back import Done

# How often a waiting target looks whether the run was cancelled.
_LOOK_S = 0.2


class Progress:
    """The state and the URLs of every finished target; wakes the targets that need them.

    `done` has those that the run has changed and that are healthy, in the order in which they ended.
    """

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.urls: dict[str, tuple[str, ...]] = {}
        self.done: dict[str, Done] = {}
        # Targets that failed after they were verified healthy: what they run stays, and so does what others run.
        self.verified: set[str] = set()
        self.is_stopped = False
        self.changed = threading.Condition()

    def served(self, names: Iterable[str]) -> tuple[Serving, ...]:
        """The URLs of the targets of these names, in their order."""
        return tuple(Serving(name, url) for name in names for url in self.urls.get(name, ()))

    def finish(self, name: str, state: str, *, stops: bool = False) -> None:
        """Note how a target ended. With `stops` no target starts that waits for others."""
        with self.changed:
            self.states[name] = state
            self.is_stopped = self.is_stopped or stops
            self.changed.notify_all()

    @property
    def failed(self) -> int:
        """The number of targets that failed or were skipped."""
        return sum(state in ("failed", "skipped") for state in self.states.values())

    def wait(self, needs: Iterable[str], clock: Clock) -> str:
        """Wait until these targets have finished; the reason why one that needs them can't start, empty for none."""
        names = list(needs)
        with self.changed:
            while any(name not in self.states for name in names):
                clock.check()
                self.changed.wait(_LOOK_S)
            failed = [name for name in names if self.states[name] in ("failed", "skipped")]
            if failed:
                return f"it needs {', '.join(failed)}, which is not healthy"
            if names and self.is_stopped:
                return "another target failed"
        return ""
