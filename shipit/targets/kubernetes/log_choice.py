"""What is wanted of the logs of a workload, in the terms of the API server, and which containers have one. Pure."""

from __future__ import annotations

import math

from shipit.targets.kubernetes.live import Container
from shipit.targets.kubernetes.server import Query
from shipit.targets.log_query import LogQuery

# How many logs are read at once.
MOST_STREAMS = 200


def first_query(wanted: LogQuery) -> Query:
    """What is wanted of a log, as a query."""
    tail: Query = {} if wanted.tail is None else {"tailLines": wanted.tail}
    since: Query = {} if wanted.since_s is None else {"sinceSeconds": max(1, math.ceil(wanted.since_s))}
    return {**tail, **since, **({"previous": "true"} if wanted.previous else {})}


def has_log(container: Container) -> bool:
    """Whether a container has started at least once."""
    return container.is_running or container.ended is not None or container.last is not None
