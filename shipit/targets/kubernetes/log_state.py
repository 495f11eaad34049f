"""The log of one container while it is followed: what was read of it, and what to ask for next. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from shipit.targets.kubernetes.live import Container
from shipit.targets.kubernetes.log_read import ContainerName
from shipit.targets.kubernetes.server import Query
from shipit.targets.seen_lines import SeenLines
from shipit.targets.verbs import LogQuery

# The lines of two output streams of a container may be this much out of order.
_WINDOW_S = 1


@dataclass
class ContainerLog:
    """The log of one container. `first` is what is wanted of it before there was a line.

    A run is counted by the restarts before it: `run` is the one that was asked for last, `over` the last one that was read to
    its end.
    """

    name: ContainerName
    first: Query
    seen: SeenLines = field(default_factory=lambda: SeenLines(_WINDOW_S))
    is_open: bool = False
    run: int = -1
    over: int = -1

    def query(self, run: int) -> Query:
        """What to ask for now: from shortly before the last line; all of a later run that is the first one with a line."""
        if self.seen.since:
            return {"sinceTime": f"{self.seen.since}Z"}
        return self.first if self.run in (-1, run) else {}


def first_query(wanted: LogQuery) -> Query:
    """What is wanted of a log, as a query."""
    tail: Query = {} if wanted.tail is None else {"tailLines": wanted.tail}
    since: Query = {} if wanted.since_s is None else {"sinceSeconds": max(1, math.ceil(wanted.since_s))}
    return {**tail, **since, **({"previous": "true"} if wanted.previous else {})}


def has_log(container: Container) -> bool:
    """Whether a container has started at least once."""
    return container.is_running or container.ended is not None or container.last is not None


def since_of(date: str) -> str:
    """A `Date` header as `sinceTime`; empty where there is none."""
    try:
        return f"{parsedate_to_datetime(date).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (TypeError, ValueError, OverflowError):
        return ""
