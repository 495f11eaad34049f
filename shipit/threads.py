"""Calls side by side: on a few threads that live while there is work, and answers that are asked for once.

Nobody holds a lock while a call runs: whoever waits, waits for its result, and no longer than its own deadline.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, Generic, TypeVar

from shipit.clock import Deadline
from shipit.errors import DeadlinePassed, Interrupted

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def result_of(future: Future[V], deadline: Deadline, waiting_for: str) -> V:
    """The result, or the error, of a call that another thread does.

    Raises: DeadlinePassed, Interrupted, which a call that was given up is as well.
    """
    deadline.wait(partial(_is_done, future), waiting_for)
    try:
        return future.result()
    except CancelledError:
        raise Interrupted from None


def _is_done(future: Future[Any], seconds: float) -> bool:
    try:
        future.exception(seconds)
    except TimeoutError:
        return False
    except CancelledError:
        return True
    return True


class Workers:
    """At most so many threads, which begin with the work and end with it. Safe to use from several threads."""

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads: set[threading.Thread] = set()
        self._is_closed = False
        self._lock = threading.Lock()

    def submit(self, call: Callable[..., V], *arguments: Any) -> Future[V]:
        """Begin a call as soon as a thread is free. One that is submitted after `close` is cancelled."""
        future: Future[V] = Future()
        with self._lock:
            if self._is_closed:
                future.cancel()
                return future
            self._waiting.append(partial(_fulfil, future, call, arguments))
            if len(self._threads) < self._most:
                thread = threading.Thread(target=self._work, daemon=True, name=self._name)
                self._threads.add(thread)
                thread.start()
        return future

    def close(self, within_s: float = 2.0) -> None:
        """Give up what has not begun, and wait so long for what has."""
        with self._lock:
            self._is_closed = True
            given_up, threads = tuple(self._waiting), tuple(self._threads)
            self._waiting.clear()
        for call in given_up:
            call.args[0].cancel()  # type: ignore[attr-defined]
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(within_s)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads.discard(threading.current_thread())
                    return
                call = self._waiting.popleft()
            call()


def _fulfil(future: Future[V], call: Callable[..., V], arguments: tuple[Any, ...]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call(*arguments))
    except BaseException as error:
        future.set_exception(error)


class Once(Generic[K, V]):
    """Answers by key. Whoever comes first asks; the others wait for that answer. An error is not kept."""

    def __init__(self) -> None:
        self._answers: dict[K, Future[V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K, ask: Callable[[], V], deadline: Deadline, waiting_for: str) -> V:
        """The answer that is known, or that `ask` gives. Raises: what `ask` raises; DeadlinePassed, Interrupted."""
        while True:
            with self._lock:
                known = self._answers.get(key)
                future = known or self._answers.setdefault(key, Future())
            if known is None:
                return self._asked(key, future, ask)
            try:
                return result_of(future, deadline, waiting_for)
            except DeadlinePassed:
                # That of whoever asked may be earlier than our own.
                deadline.check(waiting_for)

    def put(self, key: K, answer: V) -> bool:
        """Make an answer known without asking; whether there was none, and nobody is asking."""
        future: Future[V] = Future()
        future.set_result(answer)
        with self._lock:
            return self._answers.setdefault(key, future) is future

    def forget(self, key: K) -> None:
        with self._lock:
            self._answers.pop(key, None)

    def _asked(self, key: K, future: Future[V], ask: Callable[[], V]) -> V:
        try:
            answer = ask()
        except BaseException as error:
            with self._lock:
                if self._answers.get(key) is future:
                    del self._answers[key]
            future.set_exception(error)
            raise
        future.set_result(answer)
        return answer
