"""Calls side by side: each question asked once, nobody waits beyond a deadline, no thread outlives its work."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import pytest

from shipit.clock import Clock, Deadline, RunClock
from shipit.errors import DeadlinePassed, Interrupted, RemoteError
from shipit.threads import Once, Workers, result_of
from tests.runs import FakeClock
from tests.waits import SOON_S

NEVER = Deadline(Clock())


def test_a_question_is_asked_once_and_everyone_hears_the_answer() -> None:
    once: Once[str, int] = Once()
    asked, go_on = list[str](), threading.Event()

    def ask() -> int:
        asked.append("asked")
        go_on.wait(60)
        return 7

    workers = Workers("test", 6)
    answers = [workers.submit(once.get, "key", ask, NEVER, "an answer") for _ in range(6)]
    time.sleep(0.05)
    go_on.set()
    assert [answer.result(60) for answer in answers] == [7] * 6
    assert asked == ["asked"] and once.get("key", ask, NEVER, "") == 7


def test_an_error_is_told_to_all_who_wait_and_not_kept() -> None:
    once: Once[str, int] = Once()
    go_on = threading.Event()

    def fail() -> int:
        go_on.wait(60)
        raise RemoteError("no")

    workers = Workers("test", 3)
    answers = [workers.submit(once.get, "key", fail, NEVER, "an answer") for _ in range(3)]
    time.sleep(0.05)
    go_on.set()
    assert [type(answer.exception(60)) for answer in answers] == [RemoteError] * 3
    assert once.get("key", lambda: 1, NEVER, "") == 1


def test_nobody_waits_for_another_ones_answer_beyond_a_deadline() -> None:
    once: Once[str, int] = Once()
    asking, go_on = threading.Event(), threading.Event()

    def hang() -> int:
        asking.set()
        go_on.wait(60)
        return 1

    workers = Workers("test", 1)
    workers.submit(once.get, "key", hang, NEVER, "an answer")
    asking.wait(60)
    with pytest.raises(DeadlinePassed, match="the deadline passed while waiting for what v1 names"):
        once.get("key", lambda: 2, Deadline.after(Clock(), 0.2), "what v1 names")
    assert once.get("other", lambda: 2, NEVER, "") == 2, "nothing is held meanwhile"
    go_on.set()


def test_who_may_wait_longer_asks_again() -> None:
    once: Once[str, int] = Once()
    asking, go_on = threading.Event(), threading.Event()

    def give_up() -> int:
        asking.set()
        go_on.wait(60)
        raise DeadlinePassed("too late")

    workers = Workers("test", 1)
    early = workers.submit(once.get, "key", give_up, NEVER, "an answer")
    asking.wait(60)
    late = Workers("late", 1).submit(once.get, "key", lambda: 3, NEVER, "an answer")
    go_on.set()
    assert isinstance(early.exception(60), DeadlinePassed) and late.result(60) == 3


def test_what_is_put_is_not_asked_for() -> None:
    once: Once[str, bool] = Once()
    assert once.put("key", True) and not once.put("key", False)
    assert once.get("key", lambda: False, NEVER, "") is True
    once.forget("key")
    assert once.get("key", lambda: False, NEVER, "") is False


def test_threads_end_with_their_work() -> None:
    workers = Workers("ends", 3)
    assert sum(workers.submit(pow, 2, number).result(60) for number in range(8)) == 255
    for _ in range(6000):
        if not any(thread.name == "ends" for thread in threading.enumerate()):
            return
        time.sleep(0.01)
    pytest.fail("a thread without work is alive")


def test_what_has_not_begun_is_given_up() -> None:
    workers, working, go_on = Workers("test", 1), threading.Event(), threading.Event()

    def work() -> bool:
        working.set()
        return go_on.wait(60)

    begun = workers.submit(work)
    waiting = workers.submit(pow, 2, 2)
    waiting.add_done_callback(lambda _: go_on.set())
    working.wait(60)
    workers.close()
    assert begun.result(0) is True and waiting.cancelled()
    with pytest.raises(Interrupted):
        result_of(workers.submit(pow, 2, 2), NEVER, "an answer")


def test_a_run_that_is_over_waits_no_longer() -> None:
    clock = RunClock(Clock())
    threading.Timer(0.1, clock.end).start()
    never: Future[int] = Future()
    for wait in (lambda: result_of(never, Deadline(clock), "x"), lambda: Deadline(clock).sleep(60, "x")):
        began = time.monotonic()
        with pytest.raises(Interrupted):
            wait()
        assert time.monotonic() - began < SOON_S


def test_a_run_is_cancelled_with_its_process() -> None:
    parent = FakeClock()
    clock = RunClock(parent)
    clock.sleep(5)
    assert (clock.now(), parent.time_s) == (1005.0, 1005.0)
    parent.cancel.set()
    with pytest.raises(Interrupted):
        clock.check()


def test_pauses_end_at_the_deadline() -> None:
    clock = FakeClock()
    deadline = Deadline.after(clock, 10).within(3)
    deadline.sleep(100, "x")
    assert clock.time_s == pytest.approx(1003)
    with pytest.raises(DeadlinePassed):
        deadline.sleep(1, "x")
