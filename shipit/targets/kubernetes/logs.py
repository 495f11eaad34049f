"""What containers write, and what a Service answers, read through the API server.

Source: Kubernetes API reference, Pod `log` subresource; "Access Services Running on Clusters".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from urllib.parse import quote

from shipit.errors import RemoteError
from shipit.http.messages import Answer
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.kubelet_notes import is_missing_log
from shipit.targets.kubernetes.server import Query, checked
from shipit.targets.kubernetes.tail import Tail
from shipit.targets.log_times import parse_log_time

LOG_BYTES = 256 * 1024


def last_lines(
    client: KubernetesClient, namespace: str, pod: str, container: str, *, previous: bool, lines: int
) -> list[str]:
    """The last lines of a container, or of its previous run, 256 KiB at most; empty when it wrote none.

    Raises: RemoteError when the kubelet does not have the log, or not yet.
    """
    query: Query = {"tailLines": lines, "previous": str(previous).lower(), "timestamps": "true"}
    data = _log(client, namespace, pod, container, query, is_needed=True).decode("utf-8", "replace")
    return [_without_time(line) for line in _checked(data.splitlines())]


class NoLog(RemoteError):
    """The kubelet does not have a log, or not yet."""


def _checked(lines: list[str]) -> list[str]:
    """The same lines. Raises: NoLog for the kubelet's note that it has none."""
    if any(is_missing_log(line) for line in lines[:1]):
        raise NoLog("the kubelet does not have this log")
    return lines


def _without_time(line: str) -> str:
    time, _, rest = line.partition(" ")
    return rest if parse_log_time(time) else line


def log_since(client: KubernetesClient, namespace: str, pod: str, container: str, tail: Tail) -> list[str]:
    """What a container wrote since the last look, as far as 256 KiB reach; the rest comes with the next one.

    Raises: NoLog when the kubelet does not have it, or not yet.
    """
    query: Query = {"timestamps": "true", **({"sinceTime": tail.since} if tail.since else {})}
    data = _log(client, namespace, pod, container, query)
    is_full = len(data) >= LOG_BYTES
    # A line that is cut off, or is still being written, is had whole with the next look.
    whole = data[: data.rfind(b"\n") + 1] if is_full else data
    lines = tail.new(line for line in _checked(whole.decode("utf-8", "replace").split("\n")) if line)
    if is_full and not lines:
        tail.skip()
    return lines


def whole_log(client: KubernetesClient, namespace: str, pod: str, container: str) -> Iterator[bytes]:
    """Everything that a container wrote, as far as the cluster keeps it, in pieces.

    Raises: NoLog, before any piece, when the kubelet does not have it, or not yet; RemoteError.
    """
    path = f"/api/v1/namespaces/{namespace}/pods/{quote(pod, safe='')}/log"
    query: Query = {"container": container}
    with client.server.send("GET", path, client.deadline, query=query, accept="*/*", stream=True) as answer:
        pieces = checked(answer).pieces()
        first = next(pieces, b"")
        _checked([first.decode("utf-8", "replace")])
        yield from chain([first] if first else [], pieces)


def _log(
    client: KubernetesClient, namespace: str, pod: str, container: str, query: Query, *, is_needed: bool = False
) -> bytes:
    """A log; empty where there is none. With `is_needed` that is an error."""
    path = f"/api/v1/namespaces/{namespace}/pods/{quote(pod, safe='')}/log"
    whole: Query = {"container": container, "limitBytes": LOG_BYTES, **query}
    answer = client.server.send("GET", path, client.deadline, query=whole, accept="*/*", stream=True)
    data = bytearray()
    with answer:
        if is_needed:
            checked(answer)
        for piece in answer.pieces() if answer.status == 200 else ():
            data += piece
            if len(data) >= LOG_BYTES:
                break
    return bytes(data[:LOG_BYTES])


def through_service(
    client: KubernetesClient, namespace: str, name: str, port: int, path: str, within_s: float
) -> Answer:
    """What a Service answers to GET, asked through the API server's proxy; its answer, or the API server's own.

    Source: Kubernetes documentation, "Access Services Running on Clusters".
    """
    whole = f"/api/v1/namespaces/{namespace}/services/{quote(name, safe='')}:{port}/proxy{path}"
    return client.server.send("GET", whole, client.deadline.within(within_s), accept="*/*", stream=True)
