"""Retries: exponential backoff with jitter, Retry-After obeyed, within a deadline."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Mapping
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from shipit.clock import Deadline
from shipit.errors import RemoteError
from shipit.http.dates import seconds_of

if TYPE_CHECKING:
    from shipit.events import Emit

T = TypeVar("T")
NO_MORE: Mapping[int, int] = {}

ATTEMPTS = 5
LONGEST_PAUSE_S = 120.0
_SECONDS = re.compile(r"[0-9]{1,15}")
# No further attempt begins after the attempts took longer than this in total, without their pauses.
LONGEST_TRYING_S = 90.0
# The shortest pause after a status that is borne until the deadline, which a server may give as 0.
_SHORTEST_PAUSE_S = 0.1


def retrying(
    call: Callable[[], T],
    *,
    deadline: Deadline,
    emit: Emit,
    attempts: int = ATTEMPTS,
    trying_s: float = LONGEST_TRYING_S,
    borne: Collection[int] = (),
    more: Mapping[int, int] = NO_MORE,
) -> T:
    """The result of `call`, which is called again while it raises a retryable RemoteError.

    Used at the outermost level of a request only, so that attempts never multiply. Retry-After is obeyed, up to two minutes;
    a longer pause, or one beyond the deadline, raises the error. A status of `borne` is retried until the deadline.
    `more`: status -> attempts, where those are more than `attempts`.
    Raises: what `call` raises; DeadlinePassed, Interrupted.
    """
    spent_s = 0.0
    for attempt in count(1):
        began_s = deadline.clock.now()
        try:
            return call()
        except RemoteError as error:
            spent_s += deadline.clock.now() - began_s
            pause_s = error.retry_after_s if error.retry_after_s is not None else backoff_s(attempt)
            is_last = attempt >= max(attempts, more.get(error.status, 0)) and error.status not in borne
            if not error.retryable or is_last or spent_s > trying_s or pause_s > LONGEST_PAUSE_S:
                raise
            pause_s = max(pause_s, _SHORTEST_PAUSE_S) if error.status in borne else pause_s
            if pause_s >= deadline.remaining_s():
                error.hint = (
                    f"it may be asked again in {pause_s:.0f} s, after the deadline: allow more time with --timeout"
                )
                raise
            from shipit.events import Retried

            emit(Retried(error.where, error.what, round(pause_s, 1)))
            deadline.sleep(pause_s, f"the next attempt: {error.where}")
    raise AssertionError("unreachable")


def backoff_s(attempt: int) -> float:
    """The pause after the given attempt (from 1): 0.25, 0.5, 1, 2 ... at most 20 s, each shortened by up to a half."""
    return float(min(20.0, 0.25 * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0))


def parse_retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date; None when absent or invalid.

    Source: RFC 9110, section 10.2.3.
    """
    if not value:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    until_s = seconds_of(value)
    return None if until_s is None else max(0.0, until_s - time.time())
