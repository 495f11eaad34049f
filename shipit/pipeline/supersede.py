"""`deploy --supersede`: asks older deploys that hold a lock to stop, and waits until they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipit.events import Waiting
from shipit.pipeline.lock_errors import Locked, described
from shipit.pipeline.lock_keepers import SWAPS, lock_keepers, lock_session, own_holder, read_locks
from shipit.pipeline.lock_wait import await_free
from shipit.targets.locks import Holder, NoLock

if TYPE_CHECKING:
    from shipit.pipeline.run import Run
    from shipit.targets.base import Target

# Seconds that an older deploy may take for its current step.
SUPERSEDE_S = 600.0


def supersede(run: Run, wait_s: float) -> None:
    """Ask every holder of a lock of the run's targets to stop whose commit is older, and wait for all of them.

    Raises: Locked where a holder is not older and `wait_s` is 0, or nobody can tell; or when it takes too long.
    """
    held = {name: holder for name, holder in read_locks(run).items() if holder is not None}
    for target in run.targets:
        if (holder := held.get(target.name)) is None:
            continue
        why_not = _why_not(run, holder) or _ask(run, target, holder)
        if why_not is None:
            continue
        if not why_not:
            run.emit(Waiting(target.name, f"asked to stop: {described(holder)}"))
        elif not wait_s:
            what = f"it is locked by {described(holder)}, which is not superseded: {why_not}"
            raise Locked(what, where=target.name, hint="wait for it: --wait 10m")
    if held:
        await_free(run, wait_s or SUPERSEDE_S)


def _why_not(run: Run, holder: Holder) -> str:
    """Why a holder is not asked to stop; empty where its commit is an ancestor of ours, and this run changes all that it does."""
    if holder.command not in ("deploy", "promote") or not holder.commit:
        return "it is no deploy of a commit"
    if others := sorted({*holder.targets} - {target.name for target in run.targets}):
        return f"it changes {', '.join(others)}, which this run does not"
    is_after = run.project.git.is_after(holder.commit)
    if is_after is None:
        return f"this clone does not have its commit {holder.commit[:12]}: fetch the whole history"
    return "" if is_after else f"its commit {holder.commit[:12]} is not older than ours"


def _ask(run: Run, target: Target, holder: Holder) -> str | None:
    """Write into the lock who supersedes its holder: why that is not possible, or empty. None where the holder has ended."""
    session, own = lock_session(run, target), described(own_holder(run))
    for keeper in lock_keepers(run, target):
        try:
            found = keeper.read_lock(session)
            for _ in range(SWAPS):
                if found.holder is None or found.holder.run != holder.run or found.is_free:
                    return None
                if keeper.swap_lock(found, found.holder._replace(superseded_by=own), session) is not None:
                    return ""
                # It was renewed meanwhile.
                found = keeper.read_lock(session)
        except NoLock:
            continue
        return f"the {keeper.lock_name()} changes with each try to write it"
    return "its lock is one of this machine"
