"""Send again what may pass: exponential pauses with jitter, Retry-After obeyed, a clock that can be cancelled."""

from __future__ import annotations

import email.utils
import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.events import Emit, Retried

T = TypeVar("T")

ATTEMPTS = 5
LONGEST_PAUSE_S = 120.0
_SECONDS = re.compile(r"[0-9]{1,15}")


def retrying(call: Callable[[], T], *, clock: Clock, emit: Emit, attempts: int = ATTEMPTS) -> T:
    """The result of `call`, tried again while it raises a RemoteError that is retryable.

    A pause asked for by the server is kept, up to two minutes; a longer one is the error itself.
    """
    for attempt in range(1, attempts + 1):
        clock.check()
        try:
            return call()
        except RemoteError as error:
            told = error.retry_after_s
            if not error.retryable or attempt == attempts or (told is not None and told > LONGEST_PAUSE_S):
                raise
            pause = told if told is not None else backoff_s(attempt)
            emit(Retried(error.where, error.what, round(pause, 1)))
            clock.sleep(pause)
    raise AssertionError("unreachable")


def backoff_s(attempt: int) -> float:
    """The pause after the given attempt (from 1): 0.25, 0.5, 1, 2 ... at most 20 s, each shortened by up to a half."""
    return float(min(20.0, 0.25 * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0))


def parse_retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date; None when absent or not understood.

    Source: RFC 9110, section 10.2.3.
    """
    if not value:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
