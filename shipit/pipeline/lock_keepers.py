"""Where the lock of a target is kept, and who has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from shipit.clock import Clock
from shipit.errors import Interrupted
from shipit.history.lock_file import read_file_lock
from shipit.json_text import parse_json
from shipit.pipeline.borrowed_lock import BorrowedLock
from shipit.pipeline.marks import file_name
from shipit.pipeline.run import Run
from shipit.record import InvalidRecord, from_json
from shipit.targets.base import Target
from shipit.targets.locks import Holder, KeepsLock, LockState, NoLock, locks
from shipit.targets.session import Session

# Of one request to the place; a step waits for a renewal at most so long.
REQUEST_S = 10.0
# Tries to write a lock that its holder renews every few seconds.
SWAPS = 20
# Characters of all names of targets in a lock: places bound the length of one.
_LONGEST_NAMES = 2000


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


def lock_keepers(run: Run, target: Target) -> Iterator[KeepsLock]:
    """The keepers of the lock of a target for all machines: its own place, then the state of deploy.yml.

    For a place that keeps none by its kind, then the place of another target. Raises: UsageError.
    """
    if locks(target):
        yield target
    if (state := run.state) is not None and state.keeps_locks:
        from shipit.pipeline.state_lock import StateLock

        yield StateLock(target, state)
    if run.lender is not None and not locks(target):
        yield BorrowedLock(target.name, run.lender, partial(run.session, is_planning=False))


def _ignore(target: Target, error: NoLock) -> None:
    pass


def read_locks(run: Run, refused: Callable[[Target, NoLock], None] = _ignore) -> Mapping[str, Holder | None]:
    """Target -> the holder of its lock; None where nobody has it. `refused` is that of `read_lock`. Raises: RemoteError."""
    return {target.name: read_holder(run, target, refused) for target in run.targets}


def read_holder(run: Run, target: Target, refused: Callable[[Target, NoLock], None] = _ignore) -> Holder | None:
    """The holder of the lock of a target; None where nobody has it."""
    found = read_lock(run, target, refused)
    return None if found.is_free else found.holder


def read_lock(run: Run, target: Target, refused: Callable[[Target, NoLock], None] = _ignore) -> LockState:
    """The lock of a target, at its place, in the state, at the place of another target or on this machine.

    `refused` is called where one of these can keep no lock. Raises: RemoteError.
    """
    for keeper in lock_keepers(run, target):
        try:
            return keeper.read_lock(lock_session(run, target))
        except NoLock as error:
            refused(target, error)
    text = read_file_lock(run.project.root, file_name(target.place))
    return LockState(parse_holder(text) if text is not None else None)


def lock_session(run: Run, target: Target) -> Session:
    """A session for requests about a lock, which do not end with the run."""
    clock = _OwnClock(run.clock)
    return replace(run.session(target, is_planning=False), clock=clock, deadline_s=clock.now() + REQUEST_S)


def parse_holder(text: str) -> Holder:
    """The holder that a lock on this machine names; one without an id where it names none."""
    try:
        return from_json(Holder, parse_json(text))
    except (InvalidRecord, ValueError):
        return Holder("")


def own_holder(run: Run) -> Holder:
    """The holder that the locks of a run name."""
    from shipit.config.author import read_author
    from shipit.envelope import rfc3339

    names = tuple(target.name for target in run.targets)
    return Holder(
        run.id,
        run.command,
        read_author(run.environment),
        # A rollback releases another commit than that of the work tree.
        "" if run.command == "rollback" else run.commit[0],
        rfc3339(run.clock.wall_s()),
        supersedes=run.supersedes,
        targets=names if sum(map(len, names)) <= _LONGEST_NAMES else (),
    )
