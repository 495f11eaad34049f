"""The log of one container: requests, and lines with the times that the kubelet noted.

Source: Kubernetes API reference, "read log of the specified Pod": `sinceTime` counts in whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from shipit.events import LogLine
from shipit.http.messages import Answer
from shipit.http.pace import LEAST_RATE
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.kubelet_notes import is_missing_log
from shipit.targets.kubernetes.server import SILENCE_S, Query
from shipit.targets.log_lines import read_lines
from shipit.targets.log_times import parse_log_time

# After this silence a log that is followed is asked for again: nobody may be at the other end any more.
FOLLOW_S = 300.0


class LogGone(Exception):
    """The node has no log of this run of the container: not yet, or not any more."""


class ContainerName(NamedTuple):
    """A container of a workload of a target."""

    target: str
    workload: str
    namespace: str
    pod: str
    container: str


def open_log(client: KubernetesClient, name: ContainerName, query: Query, *, follow: bool = False) -> Answer:
    """Ask for a log, with times; any status is an answer. One that is followed ends when the container does."""
    path = f"/api/v1/namespaces/{quote(name.namespace, safe='')}/pods/{quote(name.pod, safe='')}/log"
    whole: Query = {
        "container": name.container,
        "timestamps": "true",
        **({"follow": "true"} if follow else {}),
        **query,
    }
    read_s, least_rate = (FOLLOW_S, 0) if follow else (SILENCE_S, LEAST_RATE)
    return client.server.send(
        "GET", path, client.deadline, query=whole, accept="*/*", stream=True, read_s=read_s, least_rate=least_rate
    )


def log_lines(answer: Answer, name: ContainerName) -> Iterator[list[LogLine]]:
    """The lines of a log as they arrive, several at once. What has no time has that of the line before.

    Raises: LogGone for a log that is not there, before any line; RemoteError when the connection breaks.
    """
    instance, last = f"{name.pod}/{name.container}", ""
    with answer:
        for lines in read_lines(answer.pieces()):
            found = []
            for text, cut_bytes in lines:
                time, _, rest = text.partition(" ")
                if at := parse_log_time(time):
                    last, text = at, rest
                elif not last and is_missing_log(text):
                    raise LogGone
                found.append(LogLine(name.target, name.workload, instance, last, text, cut_bytes))
            yield found
