"""What is sent again, how often, and how long that may take."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.clock import Deadline
from shipit.errors import DeadlinePassed, Interrupted, RemoteError
from shipit.events import Event, Retried
from shipit.http.retry import ATTEMPTS, retrying
from tests.runs import FakeClock


class Place:
    """Fails with errors in turn; each call takes `takes_s`."""

    def __init__(self, *errors: RemoteError, takes_s: float = 0.0) -> None:
        self.clock, self.events = FakeClock(), list[Event]()
        self._errors, self._takes_s = list(errors), takes_s
        self.calls = 0

    def ask(self) -> str:
        self.calls += 1
        self.clock.sleep(self._takes_s)
        if self._errors:
            raise self._errors.pop(0)
        return "answer"

    def retried(self, within_s: float = float("inf"), **more: Any) -> str:
        return retrying(
            self.ask,
            deadline=Deadline.after(self.clock, within_s),
            emit=self.events.append,
            **more,
        )


def busy(after_s: float | None = None) -> RemoteError:
    return RemoteError("answered 503", where="GET x", retryable=True, status=503, retry_after_s=after_s)


def test_a_temporary_error_is_retried() -> None:
    place = Place(busy(), busy())
    assert place.retried() == "answer"
    assert place.calls == 3 and [type(event) for event in place.events] == [Retried, Retried]


def test_the_last_error_is_raised_after_all_attempts() -> None:
    place = Place(*[busy()] * 20)
    with pytest.raises(RemoteError, match="answered 503"):
        place.retried()
    assert place.calls == ATTEMPTS


def throttled(after_s: float | None) -> RemoteError:
    return RemoteError("answered 429", where="GET x", retryable=True, status=429, retry_after_s=after_s)


@pytest.mark.parametrize("after_s", [None, 0.0, 1.0])
def test_a_status_that_is_borne_is_retried_until_the_deadline(after_s: float | None) -> None:
    place = Place(*[throttled(after_s)] * 30)
    assert place.retried(attempts=1, borne=(429,)) == "answer"
    assert place.calls == 31
    late = Place(*[throttled(after_s)] * 100_000)
    with pytest.raises(RemoteError, match="answered 429"):
        late.retried(60.0, attempts=1, borne=(429,))
    # A server that says "at once" does not make us ask without a pause.
    assert 4 <= late.calls <= 601 and late.clock.now() <= 1060.0


def test_other_statuses_than_those_borne_have_their_attempts() -> None:
    place = Place(busy(), busy())
    with pytest.raises(RemoteError, match="answered 503"):
        place.retried(attempts=1, borne=(429,))
    assert place.calls == 1


def test_a_status_may_have_more_attempts_than_others() -> None:
    place = Place(*[busy()] * 20)
    with pytest.raises(RemoteError, match="answered 503"):
        place.retried(attempts=2, more={503: 8})
    assert place.calls == 8 and 1010.0 <= place.clock.now() <= 1032.0
    other = Place(*[busy()] * 20)
    with pytest.raises(RemoteError, match="answered 503"):
        other.retried(attempts=2, more={502: 8})
    assert other.calls == 2


def test_a_final_error_is_not_retried() -> None:
    place = Place(RemoteError("no", status=403))
    with pytest.raises(RemoteError, match="no"):
        place.retried()
    assert place.calls == 1


@pytest.mark.parametrize(("after_s", "calls"), [(30, 2), (120, 2), (121, 1), (1e9, 1), (float("inf"), 1)])
def test_retry_after_is_obeyed_up_to_two_minutes(after_s: float, calls: int) -> None:
    place = Place(busy(after_s))
    if calls == 1:
        with pytest.raises(RemoteError):
            place.retried()
    else:
        place.retried()
        assert place.clock.time_s == pytest.approx(1000 + after_s)
    assert place.calls == calls


def test_a_pause_beyond_the_deadline_raises_the_error() -> None:
    place = Place(busy(60))
    with pytest.raises(RemoteError, match="answered 503") as caught:
        place.retried(within_s=50)
    assert place.clock.time_s == 1000 and place.calls == 1
    assert caught.value.hint == "it may be asked again in 60 s, after the deadline: allow more time with --timeout"


def test_slow_failures_get_fewer_attempts() -> None:
    place = Place(*[busy()] * 20, takes_s=60)
    with pytest.raises(RemoteError):
        place.retried()
    assert place.calls == 2


def test_a_passed_deadline_is_not_retried() -> None:
    calls = 0

    def late() -> str:
        nonlocal calls
        calls += 1
        raise DeadlinePassed("too late")

    with pytest.raises(DeadlinePassed):
        retrying(late, deadline=Deadline(FakeClock()), emit=lambda event: None)
    assert calls == 1


def test_a_pause_ends_when_the_run_is_cancelled() -> None:
    place = Place(busy(100))
    place.clock.cancel.set()
    with pytest.raises(Interrupted):
        place.retried()
