"""The errors of locks, and their holders in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipit.config.overlay import environment_option
from shipit.errors import DeployFailed, ShipitError
from shipit.pipeline.lock_notes import borrows
from shipit.targets.base import Target
from shipit.targets.locks import Holder

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

SUPERSEDED_EXIT = 4


class Locked(ShipitError):
    """Somebody else holds the lock of a target."""


class LockLost(DeployFailed):
    """A run does not hold the lock any more: it stood still for too long, or somebody broke the lock."""

    not_rolled_back = "that needs the lock"


class Superseded(LockLost):
    """A deploy of a newer commit has asked this run to stop; it still has the lock, and changes nothing more."""

    exit_code = SUPERSEDED_EXIT
    not_rolled_back = "the newer deploy goes on from here"

    def __init__(self, by: str, where: str = "") -> None:
        super().__init__(f"superseded by {by}", where=where, hint="nothing: the newer deploy goes on from here")
        self.superseded_by = by


def described(holder: Holder) -> str:
    """`deploy 0123abcd of commit c0ffee, by USER@HOST, since 12:00:00 UTC`."""
    parts = [f"{holder.command or 'run'} {holder.run[:12]}" if holder.run else "another run"]
    parts += [f"of commit {holder.commit[:12]}"] if holder.commit else []
    by = f", by {holder.by}" if holder.by else ""
    since = f", since {holder.since[:19].replace('T', ' ')} UTC" if holder.since else ""
    return f"{' '.join(parts)}{by}{since}"


def of_lender(run: Run, target: Target) -> str:
    """`, by the lock of k8s`, for a target that borrows it; empty for every other."""
    return f", by the lock of {run.lender.name}" if run.lender and borrows(run, target) else ""


def locked_by(run: Run, target: Target, holder: Holder | None) -> Locked:
    who = described(holder) if holder else "another run, which took it first"
    unlock = f"shipit unlock {target.name}{environment_option(run.project.environment)}"
    wait = "run it again when that has ended" if run.command == "push" else "wait for it: --wait 10m"
    hint = f"{wait}; or, if it does not run any more: {unlock}"
    return Locked(f"it is locked by {who}{of_lender(run, target)}", where=target.name, hint=hint)
