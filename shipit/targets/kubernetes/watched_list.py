"""A list that is read once and then kept current by a watch; where watches do not work, it is read again each time.

Source: Kubernetes API concepts, "Efficient detection of changes", "410 Gone responses".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Generic, TypeVar

from shipit.clock import Clock, Deadline, RunClock
from shipit.errors import Interrupted, RemoteError
from shipit.http.fields import Field
from shipit.http.messages import Answer
from shipit.http.retry import backoff_s
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.server import ApiServer, Query, error_of
from shipit.targets.kubernetes.watch_events import (
    Entry,
    InvalidWatch,
    WatchEvent,
    after,
    entry_of,
    lines_of,
    parse_watch_event,
    versions_of,
)

T = TypeVar("T")
_GONE = 410
# The server ends a watch after this time; the next one begins where it ended.
_WATCH_S = 300
# A server sends a bookmark about every minute, also where nothing changes.
_READ_S = 90.0
# After so long a silence the list is read, to see whether events are held back; each time after twice the time.
FIRST_CHECK_S, LONGEST_CHECK_S = 3.0, 60.0
# Where so many watches told nothing of changes, a proxy holds events back.
_MOST_HELD_BACK = 2
# A watch that ends earlier than this counts as failed.
_SHORT_S = 1.0
# How long a thread may take to end.
_LEAVING_S = 2.0


class _Stream:
    """One thread that follows the changes. `is_open` while a server answers; `heard` counts events and bookmarks."""

    def __init__(self, clock: Clock, check_s: float) -> None:
        self.clock = RunClock(clock)
        self.is_open = False
        self.heard = 0
        self.heard_s = clock.now()
        self.check_s = check_s


class WatchedList(Generic[T]):
    """The objects of a path and a selector, each parsed when it changes. Safe to use from several threads.

    `moved` is set when something changed. `check_s` is the silence of a watch after which the list is read for the first time.
    """

    def __init__(
        self,
        path: str,
        query: Query,
        parse: Callable[[Field], T],
        server: ApiServer,
        clock: Clock,
        moved: threading.Event,
        check_s: float = FIRST_CHECK_S,
    ) -> None:
        self.path, self.query = path, query
        self._parse, self._server, self._clock, self._moved = parse, server, clock, moved
        self._check_s = check_s
        self._entries: Mapping[str, Entry[T]] = {}
        # The resourceVersion from which a watch can begin; empty where the list has to be read first.
        self._version = ""
        self._stream: _Stream | None = None
        self._threads: list[threading.Thread] = []
        self._is_polled = False
        # Watches that told nothing while the list changed.
        self._held_back = 0
        self._bug: Exception | None = None
        self._lock, self._reading = threading.Lock(), threading.Lock()

    def read(self, client: KubernetesClient) -> tuple[T, ...]:
        """The objects as they are now, by name. Raises: RemoteError when a list can't be read."""
        with self._reading:
            if self._bug is not None:
                raise self._bug
            if self._needs_list():
                self._list(client)
            entries = self._entries
        return tuple(entry.value for _, entry in sorted(entries.items(), key=lambda item: item[0]))

    def start(self) -> None:
        """Begin to watch, unless that is done already or does not work."""
        with self._lock:
            if self._stream is not None or self._is_polled or not self._version:
                return
            self._stream = stream = _Stream(self._clock, self._check_s)
            thread = threading.Thread(target=self._follow, args=(stream,), daemon=True, name=f"watch {self.path}")
            self._threads = [*(old for old in self._threads if old.is_alive()), thread]
            thread.start()

    def reset(self) -> None:
        """Read the list again next time: something was changed that the watch may not have told yet."""
        with self._lock:
            self._end()
            self._version = ""

    def close(self) -> None:
        """End, and wait for threads and connections to end."""
        self.reset()
        for thread in self._threads:
            thread.join(_LEAVING_S)

    def _end(self) -> None:
        if self._stream is not None:
            self._stream.clock.end()
            self._stream = None

    def _needs_list(self) -> bool:
        with self._lock:
            stream = self._stream
            if stream is None or not stream.is_open or not self._version:
                return True
            return self._clock.now() - stream.heard_s >= stream.check_s

    def _list(self, client: KubernetesClient) -> None:
        with self._lock:
            stream, known = self._stream, self._entries
            checked = stream if stream is not None and stream.is_open else None
            heard = stream.heard if stream is not None else 0
        found = client.read_list(self.path, self.query, partial(entry_of, parse=self._parse, known=known))
        entries, version = dict(found.items), found.version
        with self._lock:
            if checked is not None and checked is self._stream and checked.is_open:
                checked.check_s, checked.heard_s = min(2 * checked.check_s, LONGEST_CHECK_S), self._clock.now()
                if checked.heard > heard or versions_of(entries) == versions_of(self._entries):
                    return
                # The watch did not tell of these changes.
                self._held_back += not checked.heard
                self._is_polled = self._held_back >= _MOST_HELD_BACK
                self._end()
            self._entries, self._version = entries, version

    def _follow(self, stream: _Stream) -> None:
        """Watch until the stream is ended, or watching does not work here."""
        failures = 0
        try:
            while True:
                began_s, heard = self._clock.now(), stream.heard
                pause_s: float | None = None
                try:
                    is_over = self._watch_once(stream)
                except RemoteError as error:
                    is_over, pause_s = isinstance(error, InvalidWatch) or not error.retryable, error.retry_after_s
                    self._is_polled = self._is_polled or is_over
                finally:
                    stream.is_open = False
                    self._moved.set()
                if is_over:
                    break
                is_short = self._clock.now() - began_s < _SHORT_S and stream.heard == heard
                failures = failures + 1 if is_short else 0
                if failures:
                    stream.clock.sleep(backoff_s(failures) if pause_s is None else pause_s)
        except Interrupted:
            return
        except Exception as error:
            self._bug = error
        with self._lock:
            if self._stream is stream:
                self._stream = None

    def _watch_once(self, stream: _Stream) -> bool:
        """Watch until the server ends it; whether that was for good. Raises: RemoteError."""
        with self._lock:
            version = self._version
        more: Query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": _WATCH_S,
            "resourceVersion": version,
        }
        deadline = Deadline(stream.clock)
        answer = self._server.send(
            "GET", self.path, deadline, query={**self.query, **more}, stream=True, read_s=_READ_S, least_rate=0
        )
        with answer:
            if answer.status == _GONE:
                return self._is_gone(stream)
            if answer.status != 200:
                raise error_of(answer)
            with self._lock:
                if self._stream is not stream or self._version != version:
                    # The list was read meanwhile, and is ahead.
                    return False
                stream.is_open, stream.heard_s = True, self._clock.now()
            return self._take_all(answer, stream)

    def _take_all(self, answer: Answer, stream: _Stream) -> bool:
        for line in lines_of(answer.pieces(), answer.request.shown):
            event = parse_watch_event(line, answer.request.shown)
            if event.type == "ERROR":
                return event.code == _GONE and self._is_gone(stream)
            if not self._take(event, stream):
                return True
        return False

    def _take(self, event: WatchEvent, stream: _Stream) -> bool:
        """Apply one event; whether the stream is still the one in use."""
        with self._lock:
            if self._stream is not stream:
                return False
            entries = after(self._entries, event, self._parse)
            is_moved, self._entries, self._version = entries is not self._entries, entries, event.version
            stream.heard, stream.heard_s, stream.check_s = stream.heard + 1, self._clock.now(), self._check_s
        if is_moved:
            self._moved.set()
        return True

    def _is_gone(self, stream: _Stream) -> bool:
        """The server has no changes since this version any more: the list is read again."""
        with self._lock:
            if self._stream is stream:
                self._version = ""
        return True
