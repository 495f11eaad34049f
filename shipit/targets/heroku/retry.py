"""Retries: reads until the deadline, writes for two minutes. A write is sent again only after a read shows that it was not done."""

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


def retry_read(client: HerokuClient, call: Callable[[], T]) -> T:
    """What `call` returns, called again while it fails with a retryable error.

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


def write_once(client: HerokuClient, send: Callable[[], T], is_done: Callable[[], bool]) -> T | None:
    """Send a change. When the answer is lost, `is_done` tells whether to send it again.

    None when it was done and the answer lost. Raises: as `retry_read`.
    """
    deadline = client.deadline.within(WRITE_S)
    for attempt in count(1):
        try:
            return send()
        except RemoteError as error:
            _pause(client, deadline, error, attempt)
        if retry_read(client, is_done):
            return None
    raise AssertionError("unreachable")


def _pause(client: HerokuClient, deadline: Deadline, error: RemoteError, attempt: int) -> None:
    """Wait after a retryable error. Raises: every other error."""
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
