"""What holds for every parser of foreign bytes: a value or a ShipitError, within bounds of time and memory, never another exception."""

from __future__ import annotations

import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hypothesis import HealthCheck, settings

from shipit.errors import ShipitError

T = TypeVar("T")

# Processor time, so that a loaded machine fails nothing; with memory traced everything takes some three times as long.
MOST_CPU_S = 3.0
MOST_BYTES = 96 * 1024 * 1024
# What neither ends nor computes is ended after this.
HANGS_AFTER_S = 60

# `make test-deep` sets a profile with many examples, of which each target takes this many at most: some ten minutes in all.
_MOST_EXAMPLES = 1000
fuzzed = settings(
    max_examples=min(settings().max_examples, _MOST_EXAMPLES),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)


class Hangs(BaseException):
    """Not an Exception: nothing that is tested should catch it."""


def bounded(call: Callable[[], T], *, cpu_s: float = MOST_CPU_S, most_bytes: int = MOST_BYTES) -> T | ShipitError:
    """The value of a call, or the ShipitError that it raised. Any other exception, and what exceeds the bounds, fails the test."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with _alarm():
            result = _outcome(call)
        used, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used <= cpu_s, f"took {used:.1f} s of processor time"
    assert peak <= most_bytes, f"took {peak / 1024**2:.0f} MiB of memory"
    return result


def _outcome(call: Callable[[], T]) -> T | ShipitError:
    try:
        return call()
    except ShipitError as error:
        assert error.render(), "an error says something"
        return error


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hangs(f"no end after {HANGS_AFTER_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANGS_AFTER_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
