"""The log of one container while it is followed: what was read of it, and what to ask for next. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from shipit.targets.kubernetes.log_read import ContainerName
from shipit.targets.kubernetes.server import Query
from shipit.targets.seen_lines import SeenLines

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


def since_of(date: str) -> str:
    """A `Date` header as `sinceTime`; empty where there is none."""
    try:
        return f"{parsedate_to_datetime(date).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (TypeError, ValueError, OverflowError):
        return ""
