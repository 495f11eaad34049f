"""The protocol of a place that keeps a lock: whoever changes the place holds it, and renews it while it does.

A lock is compared and swapped: of two that take it at once, one gets it. A holder that does not renew it loses it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeGuard

from shipit.errors import ShipitError
from shipit.printable import FreeText, Name
from shipit.targets.base import Target
from shipit.targets.session import Session

# A lock is free when it was not renewed for LEASE_S; its holder renews it every BEAT_S.
LEASE_S, BEAT_S = 15.0, 5.0


class Holder(NamedTuple):
    """The holder of a lock: the id and the command of a run, who started it, its commit, and the time, RFC 3339 in UTC.

    `superseded_by` is a run of a newer commit that has asked the holder to stop. With `supersedes`, older ones stop waiting, too.
    `targets` are those that the run was asked to change; empty where they are too many to be kept, or an older shipit wrote it.
    """

    run: Name
    command: Name = ""
    by: FreeText = ""
    commit: Name = ""
    since: Name = ""
    superseded_by: FreeText = ""
    supersedes: bool = False
    targets: tuple[Name, ...] = ()


class LockState(NamedTuple):
    """A lock as its place has it. `holder` is None for one that nobody has.

    `version` is the text that the place compares, empty where there is no lock yet. `idle_s` are the seconds since it was
    renewed, and `ahead_s` those that the clock of the place is ahead of ours.
    """

    holder: Holder | None = None
    version: Name = ""
    idle_s: float = 0.0
    ahead_s: float = 0.0

    @property
    def is_free(self) -> bool:
        return self.holder is None or self.idle_s > LEASE_S


class NoLock(ShipitError):
    """The place can keep no lock now: the user may not write it, or it does not exist yet. Empty `what`: nothing to tell."""


class KeepsLock(Protocol):
    """Keeps the lock of one target: its place, or a state that machines share. `name` is the target's."""

    name: str

    def lock_name(self) -> str:
        """Pure: what the lock is, for people, such as `Lease shop-production in namespace shop`."""
        ...

    def read_lock(self, session: Session) -> LockState:
        """The lock as it is. Raises: NoLock, RemoteError."""
        ...

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        """Give the lock to `holder`, or give it back with None, if it is still as `before`; None where it is not.

        The time of renewal is that of the call. Raises: NoLock, RemoteError.
        """
        ...


class Locks(KeepsLock, Target, Protocol):
    """Keeps a lock at its place."""


def locks(target: Target) -> TypeGuard[Locks]:
    return "locks" in target.kind.capabilities
