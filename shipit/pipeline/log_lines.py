"""The lines of several logs as one: in the order of their times, or as they arrive."""

from __future__ import annotations

import heapq
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Protocol, TypeAlias

from shipit.clock import Clock
from shipit.events import LogLine
from shipit.parallel import together

if TYPE_CHECKING:
    from shipit.targets.log_query import LogQuery

# Lines that wait to be written: what writes more is read more slowly.
_WAITING = 250
# After a silence as long as this, a line that a secret might go on from is written.
_SILENCE_S = 0.3
# How long to wait where too many lines wait.
_FULL_S = 0.005
Logs = Iterator[LogLine]
_Arrived: TypeAlias = "queue.SimpleQueue[LogLine | Exception | None]"


class Tells(Protocol):
    """A run that lines are told to. `flush` tells those that are held back because a secret may go on in the next line."""

    @property
    def clock(self) -> Clock: ...

    def emit(self, event: LogLine, /) -> None: ...

    def flush(self) -> None: ...


def tell_lines(
    run: Tells, sources: Sequence[Callable[[], Logs]], wanted: LogQuery, check_reader: Callable[[], None]
) -> None:
    """Emit the lines of all sources. `check_reader` is called after each, and in silence.

    Raises: ShipitError; Interrupted where the user ends it.
    """
    for line in _arriving(sources, run.clock) if wanted.follow else _in_order(sources, run.clock):
        if line is None:
            run.flush()
        else:
            run.emit(line)
        check_reader()


def _in_order(sources: Sequence[Callable[[], Logs]], clock: Clock) -> Iterator[LogLine]:
    """The lines of all, in the order of their times. The first lines are asked for side by side."""
    logs = [source() for source in sources]
    first = together({index: partial(next, log, None) for index, log in enumerate(logs)}, clock)
    begun = [chain([line], logs[index]) for index, line in first.items() if line is not None]
    return heapq.merge(*begun, key=lambda line: line.written_at)


def _arriving(sources: Sequence[Callable[[], Logs]], clock: Clock) -> Iterator[LogLine | None]:
    """The lines of all as they arrive; None in a silence. Raises: the first error of one of them."""
    from shipit.threads import Workers

    # A SimpleQueue costs a tenth of a Queue, and has no bound of its own.
    arrived: _Arrived = queue.SimpleQueue()
    workers = Workers("logs", len(sources))
    for source in sources:
        workers.submit(_forward, source, arrived, clock)
    left = len(sources)
    try:
        while left:
            try:
                line = arrived.get(timeout=_SILENCE_S)
            except queue.Empty:
                clock.check()
                yield None
                continue
            if isinstance(line, Exception):
                raise line
            left -= line is None
            yield line
    finally:
        workers.close(within_s=0)


def _forward(source: Callable[[], Logs], arrived: _Arrived, clock: Clock) -> None:
    """Put the lines of one log, then None, or the error that ended it."""
    end: Exception | None = None
    try:
        for line in source():
            _put(arrived, line, clock)
    except Exception as error:
        end = error
    _put(arrived, end, clock)


def _put(arrived: _Arrived, item: LogLine | Exception | None, clock: Clock) -> None:
    """Put an item, after those that wait are few enough; nothing when nobody takes any more."""
    while arrived.qsize() >= _WAITING:
        if clock.is_cancelled():
            return
        time.sleep(_FULL_S)
    arrived.put(item)
