"""Waiting for the locks of other runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipit.clock import Deadline
from shipit.events import Waiting
from shipit.pipeline.lock_errors import Superseded, described, locked_by
from shipit.pipeline.lock_keepers import read_lock
from shipit.targets.locks import LEASE_S, Holder

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

_POLL_S = 1.0
# A lease is over when more than its time has passed.
_AFTER_S = 0.01


def await_turn(run: Run) -> None:
    """Wait as long as the run may for others that hold locks of its targets, before it looks at them. Raises: Locked."""
    if run.wait_s:
        await_free(run, run.wait_s)


def await_free(run: Run, wait_s: float) -> None:
    """Wait until nobody holds a lock of the run's targets.

    Raises: Locked when it takes too long; Superseded where a deploy of a newer commit that supersedes older ones is at it.
    """
    deadline, said = Deadline.after(run.clock, wait_s), ""
    while True:
        held = [(target, found) for target in run.targets if not (found := read_lock(run, target)).is_free]
        if not held:
            return
        target, found = held[0]
        holder = found.holder or Holder("")
        takes_all = not holder.targets or {own.name for own in run.targets} <= {*holder.targets}
        if holder.supersedes and takes_all and run.command == "deploy" and run.project.git.is_before(holder.commit):
            raise Superseded(described(holder), target.name)
        if deadline.remaining_s() <= 0:
            raise locked_by(run, target, holder)
        if (text := f"it is locked by {described(holder)}") != said:
            run.emit(Waiting(target.name, text))
            said = text
        run.clock.sleep(pause_s(found.idle_s))


def pause_s(idle_s: float) -> float:
    """Seconds until a lock is looked at again that was renewed so long ago: at once when its lease is over."""
    return min(_POLL_S, max(_AFTER_S, LEASE_S - idle_s + _AFTER_S))
