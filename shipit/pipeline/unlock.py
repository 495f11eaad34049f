"""Breaking the lock of another run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipit.config.overlay import environment_option
from shipit.errors import ShipitError
from shipit.pipeline.lock_errors import described
from shipit.pipeline.lock_keepers import SWAPS, lock_keepers, lock_session
from shipit.targets.base import Target
from shipit.targets.locks import Holder, NoLock

if TYPE_CHECKING:
    from shipit.pipeline.run import Run


def break_lock(run: Run, target: Target, holder: Holder) -> None:
    """Take the lock of a target from the holder that was shown, and from no other.

    Raises: ShipitError where another run holds it now, or a process of this machine has it; NoLock where the user may not
    write the lock of the place.
    """
    session = lock_session(run, target)
    for keeper in lock_keepers(run, target):
        try:
            found = keeper.read_lock(session)
            break
        except NoLock:
            continue
    else:
        raise _of_process(target, holder)
    for _ in range(SWAPS):
        if found.holder is None or found.holder.run != holder.run:
            break
        if keeper.swap_lock(found, None, session) is not None:
            return
        # It was renewed meanwhile.
        found = keeper.read_lock(session)
    if found.holder is not None:
        what = f"it is locked by {described(found.holder)} now"
        hint = f"look again: shipit unlock {target.name}{environment_option(run.project.environment)}"
        raise ShipitError(what, where=target.name, hint=hint)


def _of_process(target: Target, holder: Holder) -> ShipitError:
    what = f"it is locked by a process of this machine: {described(holder)}"
    return ShipitError(what, where=target.name, hint="end that process: its lock ends with it")
