"""The watched lists of one target during a run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from shipit.clock import Clock
from shipit.http.fields import Field
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.server import ApiServer, Query
from shipit.targets.kubernetes.watched_list import FIRST_CHECK_S, WatchedList

T = TypeVar("T")
# Each watch has a thread and a connection. Lists beyond these are read again at each look.
MOST_WATCHES = 64
# Events that come close to each other are looked at together: a look takes a quarter of the time, more where it takes long.
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S, _PAUSE_PER_LOOK = 0.1, 1.0, 3.0
_Key = tuple[str, tuple[tuple[str, str | int], ...], str]


class Watches:
    """Safe to use from several threads."""

    def __init__(self, server: ApiServer, clock: Clock, check_s: float = FIRST_CHECK_S) -> None:
        self._server, self._clock, self._check_s = server, clock, check_s
        self._lists: dict[_Key, WatchedList[Any]] = {}
        self._moved = threading.Event()
        self._lock = threading.Lock()
        self._look_began_s = clock.now()

    def begin_look(self) -> None:
        """Before the lists are read: what changes from now on ends the next wait."""
        self._look_began_s = self._clock.now()
        self._moved.clear()

    def read(
        self, client: KubernetesClient, path: str, query: Query, parse: Callable[[Field], T], form: str = ""
    ) -> tuple[T, ...]:
        """The objects of a path and a selector. `parse` has to be the same for all reads of them in a `form`."""
        key = _key(path, query, form)
        with self._lock:
            if key not in self._lists:
                self._lists[key] = WatchedList(
                    path, query, parse, self._server, self._clock, self._moved, self._check_s
                )
            found = self._lists[key]
        return cast("WatchedList[T]", found).read(client)

    def has(self, path: str, query: Query) -> bool:
        """True when a list was read already, so that reading it again makes no request."""
        with self._lock:
            return _key(path, query) in self._lists

    def await_change(self, seconds: float) -> None:
        """Watch, and wait until something changed, for at most that many seconds. Raises: Interrupted."""
        now_s = self._clock.now()
        until_s = now_s + seconds
        least_s = max(_SHORTEST_PAUSE_S, min(_LONGEST_PAUSE_S, _PAUSE_PER_LOOK * (now_s - self._look_began_s)))
        with self._lock:
            lists = list(self._lists.values())[:MOST_WATCHES]
        for item in lists:
            item.start()
        self._clock.sleep(min(seconds, least_s))
        self._clock.wait(self._moved, until_s - self._clock.now())

    def reset(self) -> None:
        """Read the lists again next time, because this run changed something."""
        with self._lock:
            lists = list(self._lists.values())
        for item in lists:
            item.reset()

    def close(self) -> None:
        """End all watches, and wait for their threads."""
        self.reset()
        with self._lock:
            lists = list(self._lists.values())
        for item in lists:
            item.close()


def _key(path: str, query: Query, form: str = "") -> _Key:
    return path, tuple(sorted(query.items())), form
