"""The locks of a run: taken before its first change, renewed while it goes on, checked before each change, given back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from shipit.errors import ShipitError
from shipit.events import Warned
from shipit.history.lock_file import free_file, take_file
from shipit.pipeline.borrowed_lock import BorrowedLock
from shipit.pipeline.changing import changing_targets
from shipit.pipeline.lock_errors import LockLost, Superseded, described, locked_by
from shipit.pipeline.lock_keepers import REQUEST_S, lock_keepers, lock_session, own_holder, parse_holder
from shipit.pipeline.marks import file_name
from shipit.pipeline.renewals import Renewals
from shipit.pipeline.run import Run
from shipit.pipeline.state_lock import StateLock
from shipit.record import to_json
from shipit.release import Plan
from shipit.targets.base import Target
from shipit.targets.locks import BEAT_S, LEASE_S, Holder, KeepsLock, LockState, NoLock, locks
from shipit.targets.session import Session


class HeldLock:
    """A lock that a run holds at a place. Safe to use from several threads."""

    def __init__(self, keeper: KeepsLock, session: Session, state: LockState, holder: Holder) -> None:
        self._keeper, self._base, self._state, self._holder = keeper, session, state, holder
        self._clock = session.clock
        self._renewed_s, self._renewed_wall_s = self._clock.now(), self._clock.wall_s()
        self._is_lost = False
        # The run that has the lock since it was lost; None where nobody has it.
        self._taker: Holder | None = None
        self._mutex = threading.Lock()

    @property
    def superseded_by(self) -> str:
        """The run that asked ours to stop; empty where none did."""
        return self._holder.superseded_by

    def check(self) -> None:
        """Check that the lock is still ours, with a request where it was not renewed in time. Raises: LockLost, RemoteError."""
        with self._mutex:
            # While a machine is suspended, its monotonic clock may stand still; the other one may jump: then we ask in vain.
            idle_s = self._clock.now() - self._renewed_s, abs(self._clock.wall_s() - self._renewed_wall_s)
            if not self._is_lost and max(idle_s) > LEASE_S - BEAT_S:
                self._renew()
            if self._is_lost:
                taker = described(self._taker) if self._taker else ""
                error = LockLost(
                    f"the lock was lost: {taker or self._lost_to()}", where=self._keeper.name, hint="run it again"
                )
                error.superseded_by = taker or "someone else"
                raise error

    def _lost_to(self) -> str:
        """The way in which a lock was lost that nobody has now, as far as it is known."""
        idle_s = self._clock.now() - self._renewed_s
        if idle_s <= LEASE_S:
            return "somebody broke it"
        return f"it was not renewed for {idle_s:.0f} s, and another run had it meanwhile, or somebody broke it"

    def renew(self) -> None:
        """Renew the lock. A failure is left to the next renewal, or to `check`."""
        with self._mutex, suppress(ShipitError):
            if not self._is_lost:
                self._renew()

    def give_back(self) -> None:
        """Give the lock back. After a failure it is free when its time is over."""
        with self._mutex, suppress(ShipitError):
            if not self._is_lost:
                self._keeper.swap_lock(self._state, None, self._session())

    def _renew(self) -> None:
        started_s, wall_s, session = self._clock.now(), self._clock.wall_s(), self._session()
        after = self._keeper.swap_lock(self._state, self._holder, session)
        if after is None:
            # Our own request may have arrived without its answer.
            found = self._keeper.read_lock(session)
            if found.holder is None or found.holder.run != self._holder.run:
                self._is_lost, self._taker = True, found.holder
                return
            # Or a newer run has asked ours to stop.
            after, self._holder = found, found.holder
        self._state, self._renewed_s, self._renewed_wall_s = after, started_s, wall_s

    def _session(self) -> Session:
        return replace(self._base, deadline_s=self._clock.now() + REQUEST_S)


class HeldFile:
    """A lock of this machine, which lasts as long as the process. Nobody can ask its holder to stop."""

    superseded_by = ""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def check(self) -> None:
        """Nobody can take it."""

    def give_back(self) -> None:
        free_file(self._handle)


class RunLocks:
    """The locks that a run holds, by the name of the target."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._held: dict[str, HeldLock | HeldFile] = {}
        # The locks at places, by the name of the target of the place: others may borrow them.
        self._at: dict[str, HeldLock] = {}
        self._files: dict[str, HeldFile] = {}
        self._renewals = Renewals()

    def take(self, targets: Iterable[Target]) -> None:
        """Take the lock of each target; all or none. Raises: Locked, RemoteError."""
        holder = own_holder(self._run)
        try:
            # In one order for every run, so that no two wait for each other; those that lend their lock first.
            for target in sorted(targets, key=lambda target: (not locks(target), target.place)):
                if target.name not in self._held and (lock := self._taken(target, holder)) is not None:
                    self._held[target.name] = lock
                    if isinstance(lock, HeldLock):
                        self._renewals.add(lock)
        except BaseException:
            self.give_back()
            raise

    def check(self, target: str) -> None:
        """Check before a change that the lock of a target is still held; of every one without a name. Raises: LockLost, RemoteError."""
        for name, lock in tuple(self._held.items()):
            if name == target or not target:
                lock.check()
        self.check_superseded(target)

    @property
    def superseded_by(self) -> str:
        """The newer deploy that asked this run to stop, at any of its targets; empty where none did."""
        return next(filter(None, (lock.superseded_by for lock in tuple(self._held.values()))), "")

    def check_superseded(self, target: str = "") -> None:
        """Raises: Superseded where a newer deploy asked this run to stop."""
        if by := self.superseded_by:
            raise Superseded(by, target)

    def give_back(self) -> None:
        """Give all locks back."""
        self._renewals.stop(REQUEST_S)
        self._renewals = Renewals()
        held = self._each()
        self._held, self._at, self._files = {}, {}, {}
        for lock in held:
            lock.give_back()

    def _each(self) -> tuple[HeldLock | HeldFile, ...]:
        """Every lock once: targets may share one."""
        return tuple({id(lock): lock for lock in tuple(self._held.values())}.values())

    def _taken(self, target: Target, holder: Holder) -> HeldLock | HeldFile | None:
        refused: NoLock | None = None
        for keeper in lock_keepers(self._run, target):
            try:
                return self._taken_at(target, keeper, holder)
            except NoLock as error:
                refused = error if error.what else refused
        if refused is not None:
            hint = f"; {refused.hint}" if refused.hint else ""
            what = f"{refused.what}: another machine may deploy at the same time{hint}"
            self._run.emit(Warned(target.name, what))
        return self._file(target, holder)

    def _taken_at(self, target: Target, keeper: KeepsLock, holder: Holder) -> HeldLock:
        if not (place := _place_of(keeper)):
            return _take(self._run, target, keeper, holder)
        if place not in self._at:
            self._at[place] = _take(self._run, target, keeper, holder)
        return self._at[place]

    def _file(self, target: Target, holder: Holder) -> HeldFile | None:
        if self._run.journal is None:
            return None
        name = file_name(target.place)
        if name not in self._files:
            taken = take_file(self._run.project.root, name, json.dumps(to_json(holder)))
            if taken.handle < 0:
                raise locked_by(self._run, target, parse_holder(taken.holder))
            self._files[name] = HeldFile(taken.handle)
        return self._files[name]


def begin_changes(run: Run, plan: Plan, is_locked: Callable[[Target], bool] = lambda target: True) -> None:
    """Take the lock of each target that the plan changes, then begin the journal. `is_locked` leaves targets out.

    Raises: Locked, RemoteError; UsageError where the journal can't be written.
    """
    changing = changing_targets(run.targets, plan)
    begin_locked(run, (target for target in run.targets if target.name in changing and is_locked(target)))


def begin_locked(run: Run, targets: Iterable[Target]) -> None:
    """Take the locks of these targets, then begin the journal. Raises: Locked, RemoteError, UsageError."""
    held = RunLocks(run)
    held.take(targets)
    run.locks = held
    run.begin_changes()


def _place_of(keeper: KeepsLock) -> str:
    """The name of the target at whose place the lock is kept; empty for the state of deploy.yml."""
    if isinstance(keeper, BorrowedLock):
        return keeper.lender
    return "" if isinstance(keeper, StateLock) else keeper.name


def _take(run: Run, target: Target, keeper: KeepsLock, holder: Holder) -> HeldLock:
    session = lock_session(run, target)
    found = keeper.read_lock(session)
    if found.is_free:
        after = keeper.swap_lock(found, holder, session)
        found = after or keeper.read_lock(session)
    if found.holder is None or found.holder.run != holder.run:
        raise locked_by(run, target, found.holder)
    return HeldLock(keeper, session, found, holder)
