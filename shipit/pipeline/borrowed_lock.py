"""The lock of a target whose place keeps none: that of another target of the same environment, whose place keeps one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from shipit.errors import Interrupted, ShipitError
from shipit.targets.locks import Holder, LockState, NoLock

if TYPE_CHECKING:
    from shipit.targets.base import Target
    from shipit.targets.locks import Locks
    from shipit.targets.session import Session


class Lender(NamedTuple):
    """The target of an environment whose lock others borrow. `make` makes it, and raises ShipitError as its place does."""

    name: str
    make: Callable[[], Locks]


class BorrowedLock:
    """The lock of the lender, for a target of another name. What the lender's place can't do now is NoLock."""

    def __init__(self, name: str, lender: Lender, session_of: Callable[[Target], Session]) -> None:
        self.name, self.lender = name, lender.name
        self._make, self._session_of = lender.make, session_of

    def lock_name(self) -> str:
        """Raises: ShipitError."""
        return f"{self._make().lock_name()}, of the target {self.lender}"

    def read_lock(self, session: Session) -> LockState:
        with self._reached():
            lender = self._make()
            return lender.read_lock(self._session(lender, session))

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        with self._reached():
            lender = self._make()
            return lender.swap_lock(before, holder, self._session(lender, session))

    def _session(self, lender: Locks, session: Session) -> Session:
        """The lender's session, with the time of the one that is given."""
        return replace(self._session_of(lender), clock=session.clock, deadline_s=session.deadline_s)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except Interrupted:
            raise
        except NoLock as error:
            why = f": {error.what}" if error.what else " yet"
            raise self._refused(f"keeps none{why}", error.hint) from None
        except ShipitError as error:
            raise self._refused(f"can't be reached: {error}", error.hint) from None

    def _refused(self, why: str, hint: str) -> NoLock:
        what = f"its lock is that of {self.lender}, which {why}"
        access = hint or f"give this machine access to {self.lender}"
        return NoLock(what, where=self.name, hint=f"to lock it, {access}; or name a folder or a bucket for `state:`")
