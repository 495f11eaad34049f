"""What may pass is borne: reads until the deadline, writes for two minutes, and a write is never sent blindly again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TypeVar

from shipit.clock import Deadline
from shipit.errors import DeadlinePassed, RemoteError
from shipit.events import Retried
from shipit.http.retry import backoff_s
from shipit.targets.heroku.client import HerokuClient

LONGEST_PAUSE_S = 5.0
WRITE_S = 120.0
T = TypeVar("T")


def bear(client: HerokuClient, call: Callable[[], T]) -> T:
    """What `call` gives, asked again while it fails in a way that may pass.

    Raises: RemoteError, DeadlinePassed, Interrupted.
    """
    last: RemoteError | None = None
    for attempt in count(1):
        try:
            return call()
        except DeadlinePassed:
            if last is not None:
                raise _late(last) from None
            raise
        except RemoteError as error:
            last = error
            _pause(client, client.deadline, error, attempt)
    raise AssertionError("unreachable")


def write(client: HerokuClient, send: Callable[[], T], is_done: Callable[[], bool]) -> T | None:
    """Send a change once; where the answer got lost, look whether it was done before sending it again.

    None when it turned out to be done. Raises: as `bear` does.
    """
    deadline = client.deadline.within(WRITE_S)
    for attempt in count(1):
        try:
            return send()
        except RemoteError as error:
            _pause(client, deadline, error, attempt)
        if bear(client, is_done):
            return None
    raise AssertionError("unreachable")


def _pause(client: HerokuClient, deadline: Deadline, error: RemoteError, attempt: int) -> None:
    """Wait after an error that may pass. Raises: the error itself, when it does not."""
    if not error.retryable:
        raise error
    pause = error.retry_after_s if error.retry_after_s is not None else min(LONGEST_PAUSE_S, backoff_s(attempt))
    client.wire.emit(Retried(error.where, error.what, round(pause, 1)))
    try:
        deadline.sleep(pause, "Heroku")
    except DeadlinePassed:
        raise _late(error) from None


def _late(error: RemoteError) -> DeadlinePassed:
    return DeadlinePassed(f"the deadline passed while waiting for Heroku: {error}")
