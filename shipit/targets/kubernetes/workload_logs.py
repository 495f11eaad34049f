"""The logs of a workload: of all containers of all its pods, init containers and sidecars among them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain

from shipit.errors import UsageError
from shipit.events import LogLine, Warned
from shipit.http.messages import Answer
from shipit.parallel import together
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.live import Container, Pod
from shipit.targets.kubernetes.log_choice import MOST_STREAMS, first_query, has_log
from shipit.targets.kubernetes.log_pods import Owner, WorkloadPods
from shipit.targets.kubernetes.log_read import ContainerName, LogGone, log_lines, open_log
from shipit.targets.kubernetes.server import Query, error_of
from shipit.targets.log_query import LogQuery

# What the API server answers for a log that is not there yet, or not any more.
_NOT_THERE = (400, 404)


def read_logs(
    client: KubernetesClient, target: str, workload: str, owners: Sequence[Owner], wanted: LogQuery
) -> Iterator[LogLine]:
    """The log lines of a workload of a target; `owners` are its objects. Raises: RemoteError, UsageError."""
    if wanted.follow:
        from shipit.targets.kubernetes.log_follow import Following

        yield from Following(client, target, workload, wanted).lines(owners)
        return
    found = together({owner: WorkloadPods(client, owner).read for owner in owners}, client.deadline.clock)
    names = _chosen([pod for pods in found.values() for pod in pods], client, target, workload, wanted)
    query = first_query(wanted)
    if len(names) > MOST_STREAMS:
        # So many are not read at once: one after the other.
        for name in names:
            yield from _lines(client, open_log(client, name, query), name)
        return
    with ExitStack() as stack:
        answers = _opened(client, names, query)
        for answer in answers.values():
            stack.enter_context(answer)
        logs = [_lines(client, answer, name) for name, answer in answers.items()]
        yield from heapq.merge(*logs, key=lambda line: line.written_at)


def _opened(client: KubernetesClient, names: Sequence[ContainerName], query: Query) -> Mapping[ContainerName, Answer]:
    return together({name: partial(open_log, client, name, query) for name in names}, client.deadline.clock)


def _lines(client: KubernetesClient, answer: Answer, name: ContainerName) -> Iterator[LogLine]:
    if answer.status in _NOT_THERE:
        return
    if answer.status != 200:
        raise error_of(answer)
    try:
        yield from chain.from_iterable(log_lines(answer, name))
    except LogGone:
        client.emit(Warned(name.target, f"{name.pod}/{name.container}: the node has no log of this run"))


def _chosen(
    pods: Sequence[Pod], client: KubernetesClient, target: str, workload: str, wanted: LogQuery
) -> list[ContainerName]:
    """The containers that have the log which is wanted. Those that have not started are warned of."""
    names: list[ContainerName] = []
    for pod in pods:
        for container in pod.containers:
            name = ContainerName(target, workload, pod.meta.namespace, pod.meta.name, container.name)
            if container.last is not None if wanted.previous else has_log(container):
                names.append(name)
            elif not wanted.previous:
                what = f"{name.pod}/{name.container} has not started{_reason(container)}"
                client.emit(Warned(target, what))
    if wanted.previous and not names:
        what = f"no container of {target}/{workload} was restarted: there is no previous run"
        raise UsageError(what, hint="leave out --previous")
    if not pods:
        client.emit(Warned(target, f"{workload} has no pods"))
    return names


def _reason(container: Container) -> str:
    return f": {container.waiting_reason}" if container.waiting_reason else ""
