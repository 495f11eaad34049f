"""Thread pools that end with their work, and a cache that asks for each key once.

No lock is held while a call runs. Every wait for a result has a deadline.
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
    """The result of a call on another thread.

    Raises: the error of the call; DeadlinePassed; Interrupted, also when the call was cancelled.
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
    """A pool of at most `most` threads, which start when there is work and end when there is none. Safe to use from several threads."""

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads: set[threading.Thread] = set()
        self._is_closed = False
        self._lock = threading.Lock()

    def submit(self, call: Callable[..., V], *arguments: Any) -> Future[V]:
        """Run a call as soon as a thread is free. After `close`, the future is cancelled at once."""
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
        """Cancel calls that have not started, and wait up to `within_s` for each thread that is running one."""
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
    """A cache of answers by key. The first caller asks, concurrent callers wait for its answer. Errors are not cached."""

    def __init__(self) -> None:
        self._answers: dict[K, Future[V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K, ask: Callable[[], V], deadline: Deadline, waiting_for: str) -> V:
        """The cached answer, or the one that `ask` returns. Raises: what `ask` raises; DeadlinePassed, Interrupted."""
        while True:
            with self._lock:
                known = self._answers.get(key)
                future = known or self._answers.setdefault(key, Future())
            if known is None:
                return self._asked(key, future, ask)
            try:
                return result_of(future, deadline, waiting_for)
            except DeadlinePassed:
                # The caller that asked may have an earlier deadline than ours.
                deadline.check(waiting_for)

    def put(self, key: K, answer: V) -> bool:
        """Cache an answer without asking; False when there is an answer already, or somebody is asking."""
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
