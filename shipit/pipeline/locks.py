"""The locks of a run: taken before its first change, renewed while it goes on, checked before each change, given back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from shipit.clock import Clock, Deadline
from shipit.config.overlay import environment_option
from shipit.errors import DeployFailed, Interrupted, ShipitError
from shipit.events import Waiting, Warned
from shipit.history.lock_file import free_file, read_file_lock, take_file
from shipit.json_text import parse_json
from shipit.pipeline.marks import file_name
from shipit.pipeline.run import Run
from shipit.record import InvalidRecord, from_json, to_json
from shipit.release import Plan
from shipit.targets.base import Target
from shipit.targets.history import records_published
from shipit.targets.locks import BEAT_S, LEASE_S, Holder, KeepsLock, LockState, NoLock, locks
from shipit.targets.session import Session

# Of one request to the place; a step waits for a renewal at most so long.
_REQUEST_S = 10.0
_POLL_S = 1.0
# Tries to write a lock that its holder renews every few seconds.
SWAPS = 20
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


class _OwnClock(Clock):
    """The time of a run, without its end: a lock is given back when the run is cancelled, too."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        # The seconds that this clock waited while that of the run stood still.
        self._ahead_s = 0.0

    def now(self) -> float:
        return self._clock.now() + self._ahead_s

    def wall_s(self) -> float:
        return self._clock.wall_s()

    def sleep(self, seconds: float) -> None:
        with suppress(Interrupted):
            self._clock.sleep(seconds)
            return
        before_s = self._clock.now()
        super().sleep(seconds)
        self._ahead_s += max(0.0, seconds - (self._clock.now() - before_s))


class HeldLock:
    """A lock that a run holds at a place. Safe to use from several threads."""

    def __init__(self, keeper: KeepsLock, session: Session, state: LockState, holder: Holder) -> None:
        self._keeper, self._base, self._state, self._holder = keeper, session, state, holder
        self._clock = session.clock
        self._renewed_s = self._clock.now()
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
            if not self._is_lost and self._clock.now() - self._renewed_s > LEASE_S - BEAT_S:
                self._renew()
            if self._is_lost:
                taker = described(self._taker) if self._taker else ""
                what = f"the lock was lost: {taker or 'somebody broke it'}"
                error = LockLost(what, where=self._keeper.name, hint="run it again")
                error.superseded_by = taker or "someone else"
                raise error

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
        started_s, session = self._clock.now(), self._session()
        after = self._keeper.swap_lock(self._state, self._holder, session)
        if after is None:
            # Our own request may have arrived without its answer.
            found = self._keeper.read_lock(session)
            if found.holder is None or found.holder.run != self._holder.run:
                self._is_lost, self._taker = True, found.holder
                return
            # Or a newer run has asked ours to stop.
            after, self._holder = found, found.holder
        self._state, self._renewed_s = after, started_s

    def _session(self) -> Session:
        return replace(self._base, deadline_s=self._clock.now() + _REQUEST_S)


class HeldFile:
    """A lock of this machine, which lasts as long as the process. Nobody can ask its holder to stop."""

    superseded_by = ""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def check(self) -> None:
        """Nobody can take it."""

    def renew(self) -> None:
        """It does not expire."""

    def give_back(self) -> None:
        free_file(self._handle)


class RunLocks:
    """The locks that a run holds, by the name of the target."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._held: dict[str, HeldLock | HeldFile] = {}
        self._files: dict[str, HeldFile] = {}
        self._over = threading.Event()
        self._beat: threading.Thread | None = None

    def take(self, targets: Iterable[Target]) -> None:
        """Take the lock of each target; all or none. Raises: Locked, RemoteError."""
        holder = own_holder(self._run)
        try:
            # In one order for every run, so that no two wait for each other.
            for target in sorted(targets, key=lambda target: target.place):
                if target.name not in self._held and (lock := self._taken(target, holder)) is not None:
                    self._held[target.name] = lock
        except BaseException:
            self.give_back()
            raise
        if self._beat is None and any(isinstance(lock, HeldLock) for lock in self._held.values()):
            self._beat = threading.Thread(target=self._renew_all, daemon=True, name="locks")
            self._beat.start()

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
        self._over.set()
        if self._beat is not None:
            self._beat.join(_REQUEST_S)
            self._beat = None
        held = {id(lock): lock for lock in self._held.values()}
        self._held, self._files = {}, {}
        for lock in held.values():
            lock.give_back()
        self._over = threading.Event()

    def _taken(self, target: Target, holder: Holder) -> HeldLock | HeldFile | None:
        refused = ""
        for keeper in lock_keepers(self._run, target):
            try:
                return _take(self._run, target, keeper, holder)
            except NoLock as error:
                refused = error.what or refused
        if refused:
            self._run.emit(Warned(target.name, f"{refused}: another machine may deploy at the same time"))
        return self._file(target, holder)

    def _file(self, target: Target, holder: Holder) -> HeldFile | None:
        if self._run.journal is None:
            return None
        name = file_name(target.place)
        if name not in self._files:
            taken = take_file(self._run.project.root, name, json.dumps(to_json(holder)))
            if taken.handle < 0:
                raise _locked(self._run, target, parse_holder(taken.holder))
            self._files[name] = HeldFile(taken.handle)
        return self._files[name]

    def _renew_all(self) -> None:
        over = self._over
        while not over.wait(BEAT_S):
            for lock in tuple(self._held.values()):
                lock.renew()


def begin_changes(run: Run, plan: Plan, is_locked: Callable[[Target], bool] = lambda target: True) -> None:
    """Take the lock of each target that the plan changes, then begin the journal. `is_locked` leaves targets out.

    Raises: Locked, RemoteError; UsageError where the journal can't be written.
    """
    changing = {own.target for own in plan.targets if not own.is_empty}
    moved = {move.repository for move in plan.tags}
    changing |= {
        target.name
        for target in run.targets
        if records_published(target) and any(use.repository in moved for use in target.images())
    }
    begin_locked(run, (target for target in run.targets if target.name in changing and is_locked(target)))


def begin_locked(run: Run, targets: Iterable[Target]) -> None:
    """Take the locks of these targets, then begin the journal. Raises: Locked, RemoteError, UsageError."""
    held = RunLocks(run)
    held.take(targets)
    run.locks = held
    run.begin_changes()


def lock_keepers(run: Run, target: Target) -> Iterator[KeepsLock]:
    """The places that may keep the lock of a target for all machines: its own, then the state of deploy.yml. Raises: UsageError."""
    if locks(target):
        yield target
    if (state := run.state) is not None and state.keeps_locks:
        from shipit.pipeline.state_lock import StateLock

        yield StateLock(target, state)


def _take(run: Run, target: Target, keeper: KeepsLock, holder: Holder) -> HeldLock:
    session = lock_session(run, target)
    found = keeper.read_lock(session)
    if found.is_free:
        after = keeper.swap_lock(found, holder, session)
        found = after or keeper.read_lock(session)
    if found.holder is None or found.holder.run != holder.run:
        raise _locked(run, target, found.holder)
    return HeldLock(keeper, session, found, holder)


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
        found = {name: holder for name, holder in read_locks(run).items() if holder is not None}
        if not found:
            return
        name, holder = next(iter(found.items()))
        if holder.supersedes and run.command == "deploy" and run.project.git.is_before(holder.commit):
            raise Superseded(described(holder), name)
        if deadline.remaining_s() <= 0:
            target = next(target for target in run.targets if target.name == name)
            raise _locked(run, target, holder)
        if (text := f"it is locked by {described(holder)}") != said:
            run.emit(Waiting(name, text))
            said = text
        run.clock.sleep(_POLL_S)


def read_locks(run: Run) -> Mapping[str, Holder | None]:
    """Target -> the holder of its lock; None where nobody has it. Raises: RemoteError."""
    return {target.name: read_holder(run, target) for target in run.targets}


def read_holder(run: Run, target: Target) -> Holder | None:
    """The holder of the lock of a target, at its place, in the state or on this machine; None where nobody has it."""
    for keeper in lock_keepers(run, target):
        with suppress(NoLock):
            found = keeper.read_lock(lock_session(run, target))
            return None if found.is_free else found.holder
    text = read_file_lock(run.project.root, file_name(target.place))
    return parse_holder(text) if text is not None else None


def lock_session(run: Run, target: Target) -> Session:
    """A session for requests about a lock, which do not end with the run."""
    clock = _OwnClock(run.clock)
    return replace(run.session(target, is_planning=False), clock=clock, deadline_s=clock.now() + _REQUEST_S)


def parse_holder(text: str) -> Holder:
    """The holder that a lock on this machine names; one without an id where it names none."""
    try:
        return from_json(Holder, parse_json(text))
    except (InvalidRecord, ValueError):
        return Holder("")


def described(holder: Holder) -> str:
    """`deploy 0123abcd of commit c0ffee, by USER@HOST, since 12:00:00 UTC`."""
    parts = [f"{holder.command or 'run'} {holder.run[:12]}" if holder.run else "another run"]
    parts += [f"of commit {holder.commit[:12]}"] if holder.commit else []
    by = f", by {holder.by}" if holder.by else ""
    since = f", since {holder.since[:19].replace('T', ' ')} UTC" if holder.since else ""
    return f"{' '.join(parts)}{by}{since}"


def _locked(run: Run, target: Target, holder: Holder | None) -> Locked:
    who = described(holder) if holder else "another run, which took it first"
    unlock = f"shipit unlock {target.name}{environment_option(run.project.environment)}"
    hint = f"wait for it: --wait 10m; or, if it does not run any more: {unlock}"
    return Locked(f"it is locked by {who}", where=target.name, hint=hint)


def own_holder(run: Run) -> Holder:
    """What the locks of a run say about it."""
    from shipit.config.author import read_author
    from shipit.envelope import rfc3339

    return Holder(
        run.id,
        run.command,
        read_author(run.environment),
        # A rollback releases another commit than that of the work tree.
        "" if run.command == "rollback" else run.commit[0],
        rfc3339(run.clock.wall_s()),
        supersedes=run.supersedes,
    )
