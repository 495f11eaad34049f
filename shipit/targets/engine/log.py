"""The log of a service: the lines of its containers on every host, by their times.

While it is followed, containers may be replaced: it is looked again and again for new ones. Those that run have a stream,
others are read again from their last second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

from shipit.errors import RemoteError, UsageError
from shipit.events import LogLine, Retried, Warned
from shipit.http.retry import backoff_s
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.facts import name_of
from shipit.targets.engine.log_streams import LogStreams, Opener
from shipit.targets.engine.owner import Owner
from shipit.targets.log_lines import read_lines
from shipit.targets.log_query import LogQuery
from shipit.targets.log_times import log_time, parse_log_time
from shipit.targets.seen_lines import SeenLines
from shipit.targets.session import Session

# How often a log that is followed is read, and how far back each time.
_LOOK_S, _WINDOW_S = 0.5, 2
# How long a host that did not answer is left alone where there are others.
_AWAY_S = 15.0


class Instance(NamedTuple):
    """A container or task with a log. `key` is unique in its service, `read` gives its log by a query of the engine.

    `follow` is None for one that does not run, or has no stream.
    """

    key: str
    name: str
    read: Callable[[Mapping[str, str]], bytes]
    follow: Opener | None = None


class LostHost(NamedTuple):
    """A host that does not answer now. The keys of its instances begin with its name and a space."""

    name: str


class InstanceLog(NamedTuple):
    """The log of a service. `instances` are what it consists of now."""

    target: str
    service: str
    session: Session
    instances: Callable[[], Iterable[Instance | LostHost]]

    def lines(self, wanted: LogQuery) -> Iterator[LogLine]:
        """Raises: RemoteError, UsageError."""
        if wanted.previous:
            what = "an engine keeps one log of a container, which has the lines of all its runs"
            raise UsageError(what, hint="leave out --previous")
        since_s = self.session.clock.wall_s() - wanted.since_s if wanted.since_s is not None else None
        reading = _Reading(since_s)
        # To follow a log, its last line has to be known.
        tail = max(1, wanted.tail) if wanted.follow and wanted.tail is not None else wanted.tail
        found = list(self._read({"tail": str(tail) if tail is not None else "all"}, reading, None))
        yield from found if wanted.tail != 0 else ()
        if wanted.follow:
            with LogStreams() as streams:
                yield from self._follow(reading, streams)

    def _follow(self, reading: _Reading, streams: LogStreams) -> Iterator[LogLine]:
        """An engine that can't be reached for a while is asked again later. Raises: RemoteError for its own errors."""
        clock, failed, look_s = self.session.clock, 0, 0.0
        while True:
            if clock.now() >= look_s:
                pause_s = _LOOK_S
                try:
                    yield from self._read({"tail": "all"}, reading, streams)
                    failed = 0
                except RemoteError as error:
                    if error.status:
                        raise
                    failed += 1
                    pause_s = max(_LOOK_S, backoff_s(failed))
                    self.session.emit(Retried(error.where, error.what, round(pause_s, 1)))
                look_s = clock.now() + pause_s
            streams.wait(look_s - clock.now(), clock)
            yield from _by_time(self._taken(reading, streams))

    def _taken(self, reading: _Reading, streams: LogStreams) -> Iterator[LogLine]:
        """The new lines of the streams. Warns of one that is not followed any more."""
        for key, name, data, problem in streams.take():
            yield from reading.new(self._parse(data, name), key)
            if problem:
                self.session.emit(Warned(self.target, f"the log of {name} is not followed any more: {problem}"))

    def _read(self, query: dict[str, str], reading: _Reading, streams: LogStreams | None) -> Iterator[LogLine]:
        """The new lines of instances without a stream; those that run get one where there are streams. Raises: RemoteError, after what was read."""
        found: list[LogLine] = []
        failure: RemoteError | None = None
        try:
            for one in self.instances():
                if isinstance(one, LostHost):
                    if streams is not None:
                        streams.give_up(one.name)
                    continue
                key, name, read, follow = one
                if streams is not None and key in streams:
                    continue
                again = reading.again(key, query)
                if streams is None or follow is None or not streams.open(key, name, follow, again):
                    found += reading.new(self._parse(read(again), name), key)
        except RemoteError as error:
            failure = error
        yield from _by_time(found)
        if failure is not None:
            raise failure

    def _parse(self, data: bytes, name: str) -> Iterator[LogLine]:
        last = ""
        for lines in read_lines([data]):
            for text, cut_bytes in lines:
                time, _, rest = text.partition(" ")
                if at := parse_log_time(time):
                    last, text = at, rest
                yield LogLine(self.target, self.service, name, last, text, cut_bytes)


def _by_time(lines: Iterable[LogLine]) -> list[LogLine]:
    return sorted(lines, key=lambda line: line.written_at)


class _Reading:
    """How far the log of each instance was read, by its key. Without `since_s` (seconds since the epoch) from its beginning."""

    def __init__(self, since_s: float | None) -> None:
        self._since_s = since_s
        self._least = log_time(since_s) if since_s is not None else ""
        self._seen: dict[str, SeenLines] = {}

    def again(self, key: str, query: Mapping[str, str]) -> dict[str, str]:
        """The query with the time from which the log is read now."""
        seen = self._seen.get(key)
        if seen is not None:
            seen.read_again()
        return {**query, "since": _from(seen.since if seen else "", self._since_s)}

    def new(self, lines: Iterable[LogLine], key: str) -> list[LogLine]:
        """The lines that were not read before."""
        seen = self._seen.setdefault(key, SeenLines(_WINDOW_S))
        found = [line for line in lines if seen.is_new(line.written_at, line.line)]
        # A message of the engine itself has no time.
        return [line for line in found if not line.written_at or line.written_at >= self._least]


class Endings:
    """Which instances have ended and were read then: what one wrote after the last look is read once more."""

    def __init__(self) -> None:
        self._over: set[str] | None = None

    def to_read(self, ids: Iterable[str], running: Collection[str]) -> list[str]:
        """Of the instances that are there: those that run, and those that ended since the last look."""
        there = list(ids)
        over = self._over if self._over is not None else set(there)
        self._over = {one for one in there if one not in running}
        return [one for one in there if one in running or one not in over]


class _Away(NamedTuple):
    """Until when a host that did not answer is not asked again."""

    until_s: float
    error: RemoteError


class ServiceLog(NamedTuple):
    """The log of a service on Docker hosts. `label` of a container has the name of its service."""

    target: str
    service: str
    hosts: Hosts
    owner: Owner
    session: Session
    label: str

    def lines(self, wanted: LogQuery) -> Iterator[LogLine]:
        """A host that does not answer is a warning, unless none does. Raises: RemoteError, UsageError."""
        instances = partial(self._instances, {}, {name: Endings() for name in self.hosts.names})
        return InstanceLog(self.target, self.service, self.session, instances).lines(wanted)

    def _instances(self, away: dict[str, _Away], endings: Mapping[str, Endings]) -> Iterator[Instance | LostHost]:
        """`away` are the hosts that did not answer. Others are not made to wait for one of them at each look."""
        failed: list[RemoteError] = []
        now_s = self.session.clock.now()
        for host in self.hosts.names:
            if host in away and now_s < away[host].until_s:
                failed.append(away[host].error)
                continue
            try:
                client = self.hosts.client(host, self.session)
                names = self._containers(client, endings[host])
            except RemoteError as error:
                failed.append(error)
                if not error.status:
                    yield LostHost(host)
                if len(self.hosts.names) > 1:
                    if host not in away:
                        self.session.emit(Warned(self.target, f"the log of {host} is not shown: {error.what}"))
                    away[host] = _Away(self.session.clock.now() + _AWAY_S, error)
                continue
            yield from (
                Instance(
                    f"{host} {name}",
                    name,
                    partial(client.log, name),
                    partial(client.follow_log, name) if runs else None,
                )
                for name, runs in names.items()
            )
        if len(failed) == len(self.hosts.names):
            raise failed[0]

    def _containers(self, client: HostClient, endings: Endings) -> dict[str, bool]:
        """The containers of the service that run, and those that ended since the last look; the newest one where there are none. Name -> whether it runs."""
        rows = {
            row["Id"].required(): row
            for row in client.containers(self.owner.filters)
            if row["Labels"].texts().get(self.label) == self.service
        }
        running = {id for id, row in rows.items() if row["State"].text() in ("running", "restarting", "paused")}
        newest = sorted(rows, key=lambda id: -rows[id]["Created"].whole())
        return {
            name_of(rows[id]): rows[id]["State"].text() == "running"
            for id in endings.to_read(rows, running) or newest[:1]
        }


def _from(second: str, since_s: float | None) -> str:
    """The time from which the log is read, as the engine takes it: in seconds since the epoch."""
    if second:
        try:
            return str(max(0, int(datetime.fromisoformat(f"{second}+00:00").timestamp())))
        except ValueError:
            return "0"
    return str(int(since_s)) if since_s is not None else "0"
