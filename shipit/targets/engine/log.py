"""The log of a service: the lines of its containers on every host, by their times.

A log that is followed is read again and again from its last second: containers may be replaced while it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

from shipit.errors import RemoteError, UsageError
from shipit.events import LogLine, Warned
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.facts import name_of
from shipit.targets.engine.owner import Owner
from shipit.targets.log_lines import read_lines
from shipit.targets.log_query import LogQuery
from shipit.targets.log_times import log_time, parse_log_time
from shipit.targets.seen_lines import SeenLines
from shipit.targets.session import Session

# How often a log that is followed is read, and how far back each time.
_LOOK_S, _WINDOW_S = 0.5, 2


class Instance(NamedTuple):
    """A container or task with a log. `key` is unique in its service, `read` gives its log by a query of the engine."""

    key: str
    name: str
    read: Callable[[Mapping[str, str]], bytes]


class InstanceLog(NamedTuple):
    """The log of a service. `instances` are what it consists of now."""

    target: str
    service: str
    session: Session
    instances: Callable[[], Iterable[Instance]]

    def lines(self, wanted: LogQuery) -> Iterator[LogLine]:
        """Raises: RemoteError, UsageError."""
        if wanted.previous:
            what = "an engine keeps one log of a container, which has the lines of all its runs"
            raise UsageError(what, hint="leave out --previous")
        seen: dict[str, SeenLines] = {}
        since = self.session.clock.wall_s() - wanted.since_s if wanted.since_s is not None else None
        query = {"tail": str(wanted.tail) if wanted.tail is not None else "all"}
        yield from self._read(query, since, seen)
        while wanted.follow:
            self.session.clock.sleep(_LOOK_S)
            yield from self._read({"tail": "all"}, since, seen)

    def _read(self, query: dict[str, str], since_s: float | None, seen: dict[str, SeenLines]) -> Iterator[LogLine]:
        found: list[LogLine] = []
        for key, name, read in self.instances():
            again = seen.get(key)
            since = {"since": _from(again.since if again else "", since_s)}
            if again is not None:
                again.read_again()
            own = seen.setdefault(key, SeenLines(_WINDOW_S))
            lines = self._parse(read({**query, **since}), name)
            found += [line for line in lines if own.is_new(line.written_at, line.line)]
        least = log_time(since_s) if since_s is not None else ""
        yield from sorted((line for line in found if line.written_at >= least), key=lambda line: line.written_at)

    def _parse(self, data: bytes, name: str) -> Iterator[LogLine]:
        last = ""
        for lines in read_lines([data]):
            for text, cut_bytes in lines:
                time, _, rest = text.partition(" ")
                if at := parse_log_time(time):
                    last, text = at, rest
                yield LogLine(self.target, self.service, name, last, text, cut_bytes)


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
        instances = partial(self._instances, set[str](), {name: Endings() for name in self.hosts.names})
        return InstanceLog(self.target, self.service, self.session, instances).lines(wanted)

    def _instances(self, told: set[str], endings: Mapping[str, Endings]) -> Iterator[Instance]:
        """`told` are the hosts that were warned of already."""
        failed: list[RemoteError] = []
        for host in self.hosts.names:
            try:
                client = self.hosts.client(host, self.session)
                names = self._containers(client, endings[host])
            except RemoteError as error:
                failed.append(error)
                if host not in told and len(self.hosts.names) > 1:
                    told.add(host)
                    self.session.emit(Warned(self.target, f"the log of {host} is not shown: {error.what}"))
                continue
            yield from (Instance(f"{host} {name}", name, partial(client.log, name)) for name in names)
        if len(failed) == len(self.hosts.names):
            raise failed[0]

    def _containers(self, client: HostClient, endings: Endings) -> list[str]:
        """The containers of the service that run, and those that ended since the last look; the newest one where there are none."""
        rows = {
            row["Id"].required(): row
            for row in client.containers(self.owner.filters)
            if row["Labels"].texts().get(self.label) == self.service
        }
        running = {id for id, row in rows.items() if row["State"].text() in ("running", "restarting", "paused")}
        newest = sorted(rows, key=lambda id: -rows[id]["Created"].whole())
        return [name_of(rows[id]) for id in endings.to_read(rows, running) or newest[:1]]


def _from(second: str, since_s: float | None) -> str:
    """The time from which the log is read, as the engine takes it: in seconds since the epoch."""
    if second:
        try:
            return str(max(0, int(datetime.fromisoformat(f"{second}+00:00").timestamp())))
        except ValueError:
            return "0"
    return str(int(since_s)) if since_s is not None else "0"
