"""The progress of the targets of a run: each waits here for the targets that it needs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from shipit.clock import Clock
from shipit.events import Serving

if TYPE_CHECKING:
    from shipit.pipeline.take_back import Done

# How often a waiting target looks whether the run was cancelled.
_LOOK_S = 0.2
_NONE: Mapping[str, bool] = MappingProxyType({})


class Progress:
    """The state and the URLs of every finished target; wakes the targets that need them.

    `changing` are the targets that the run changes, in its order, each with whether it waits for others that it needs. With `most` the first of them is a canary: the others
    start when it has ended, in their order, at most so many at the same time, and none after a failure.
    `done` has those that the run has changed and that are healthy, in the order in which they ended.
    """

    def __init__(self, changing: Mapping[str, bool] = _NONE, most: int | None = None) -> None:
        self._order = {name: index for index, name in enumerate(changing)} if most else {}
        self._most = most or 0
        self._running: set[str] = set()
        # Those that need no others wait from the beginning, whenever their threads arrive.
        self._waiting = {name for name in self._order if not changing[name]}
        self.states: dict[str, str] = {}
        self.urls: dict[str, tuple[str, ...]] = {}
        self.done: dict[str, Done] = {}
        # Targets that failed after they were verified healthy: what they run stays, and so does what others run.
        self.verified: set[str] = set()
        self.is_stopped = False
        self.changed = threading.Condition()

    @property
    def is_limited(self) -> bool:
        """Whether targets start one after the other, and none after a failure."""
        return bool(self._order)

    def served(self, names: Iterable[str]) -> tuple[Serving, ...]:
        """The URLs of the targets of these names, in their order."""
        return tuple(Serving(name, url) for name in names for url in self.urls.get(name, ()))

    def finish(self, name: str, state: str, *, stops: bool = False) -> None:
        """Note how a target ended. With `stops` no target starts that waits for others."""
        with self.changed:
            self.states[name] = state
            self._running.discard(name)
            self._waiting.discard(name)
            self.is_stopped = self.is_stopped or stops
            self.changed.notify_all()

    def start(self, name: str, clock: Clock) -> str:
        """Wait until a target may start beside others; the reason why it can't, empty for none."""
        if name not in self._order:
            return ""
        with self.changed:
            self._waiting.add(name)
            try:
                clock.check()
                while not self.is_stopped and not self._may_start(name):
                    self.changed.wait(_LOOK_S)
                    clock.check()
                if self.is_stopped:
                    return "another target failed"
                self._running.add(name)
            finally:
                self._waiting.discard(name)
                self.changed.notify_all()
        return ""

    def _may_start(self, name: str) -> bool:
        canary = next(iter(self._order))
        if name == canary:
            return True
        is_next = name == min(self._waiting, key=self._order.__getitem__)
        return is_next and canary in self.states and len(self._running) < self._most

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
