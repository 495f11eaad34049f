"""Follows the logs of all containers of a workload: through restarts, new pods, and broken connections."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from functools import partial

from shipit.clock import Deadline, RunClock
from shipit.errors import RemoteError
from shipit.events import Emit, LogLine, Retried, Warned
from shipit.http.retry import backoff_s
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.live import Container, Pod
from shipit.targets.kubernetes.log_choice import MOST_STREAMS, first_query, has_log
from shipit.targets.kubernetes.log_pods import Owner, WorkloadPods
from shipit.targets.kubernetes.log_read import ContainerName, LogGone, log_lines, open_log
from shipit.targets.kubernetes.log_state import ContainerLog, since_of
from shipit.targets.kubernetes.server import Query, error_of
from shipit.targets.log_query import LogQuery
from shipit.threads import Workers

# How often the pods are looked at.
LOOK_S = 1.0
# Pieces of logs that wait to be taken, each of 64 KiB at most.
_WAITING = 32
_PUT_S = 0.2
# What a server answers to who may not read logs.
_REFUSED = (401, 403)
# What it answers for a container that has not started, and for a pod or an earlier run that is gone.
_NOT_THERE = (400, 404)


class Following:
    """Follows the pods of some owners. Iterate `lines`; closing it ends every request.

    `wanted` is about the containers that have started before; of later ones all lines are given.
    """

    def __init__(self, client: KubernetesClient, target: str, workload: str, wanted: LogQuery) -> None:
        self._target, self._workload = target, workload
        self._clock = RunClock(client.deadline.clock)
        self._client = KubernetesClient(client.server, Deadline(self._clock), client.emit, attempts=1)
        self._first: Query = first_query(wanted)
        self._streams: dict[tuple[str, str], ContainerLog] = {}
        self._arrived: queue.Queue[list[LogLine] | Exception] = queue.Queue(_WAITING)
        self._workers = Workers("logs of containers", MOST_STREAMS)
        self._emit: Emit = client.emit

    def lines(self, owners: Sequence[Owner]) -> Iterator[LogLine]:
        """The lines of all containers as they arrive. Raises: RemoteError when the first look fails, or logs may not be read."""
        pods = [WorkloadPods(self._client, owner) for owner in owners]
        try:
            self._look([pod for own in pods for pod in own.read()])
            self._first = {}
            threading.Thread(target=partial(self._watch, pods), daemon=True, name="pods").start()
            while True:
                try:
                    found = self._arrived.get(timeout=_PUT_S)
                except queue.Empty:
                    self._clock.check()
                    continue
                if isinstance(found, Exception):
                    raise found
                yield from found
        finally:
            self._clock.end()
            self._workers.close(within_s=0)

    def _watch(self, pods: Sequence[WorkloadPods]) -> None:
        """Look at the pods again and again; a cluster that can't be reached for a while is asked again later."""
        failed = 0
        try:
            while True:
                self._clock.sleep(LOOK_S if not failed else max(LOOK_S, backoff_s(failed)))
                try:
                    self._look([pod for own in pods for pod in _pods_of(own)])
                    failed = 0
                except RemoteError as error:
                    if error.status in _REFUSED:
                        raise
                    failed += 1
                    self._emit(Retried(error.where, error.what, round(max(LOOK_S, backoff_s(failed)), 1)))
        except Exception as error:
            self._put(error)

    def _look(self, pods: Sequence[Pod]) -> None:
        """Read each container whose log is not being read and may have more; forget the pods that are gone."""
        there = {(pod.meta.uid, container.name): (pod, container) for pod in pods for container in pod.containers}
        for key in self._streams.keys() - there.keys():
            if not self._streams[key].is_open:
                del self._streams[key]
        before = self._count()
        for key, (pod, container) in there.items():
            stream = self._streams.get(key) or self._streams.setdefault(key, self._made(pod, container))
            if has_log(container) and not stream.is_open and stream.over < container.restarts:
                stream.is_open = True
                self._workers.submit(self._read, stream, container)
        if before <= MOST_STREAMS < (now := self._count()):
            what = (
                f"{self._workload} has {now} containers: {MOST_STREAMS} are followed at once, the others when one ends"
            )
            self._emit(Warned(self._target, what))

    def _count(self) -> int:
        return sum(stream.is_open for stream in self._streams.values())

    def _made(self, pod: Pod, container: Container) -> ContainerLog:
        name = ContainerName(self._target, self._workload, pod.meta.namespace, pod.meta.name, container.name)
        return ContainerLog(name, self._first if has_log(container) else {})

    def _read(self, stream: ContainerLog, container: Container) -> None:
        """Read a log until it ends or breaks off; the next look reads on."""
        run = container.restarts
        try:
            if stream.over < stream.run < run:
                # It may have broken off before that run ended.
                self._read_one(stream, {**stream.query(run), "previous": "true"}, follow=False)
                stream.over = run - 1
            query, stream.run = stream.query(run), run
            # Only what had ended when it was asked for is read to the end of its log; else it may have broken off.
            if self._read_one(stream, query, follow=True) and not container.is_running:
                stream.over = run
        except RemoteError as error:
            if error.status in _REFUSED or not error.retryable:
                self._put(error)
            else:
                self._emit(Retried(error.where, error.what, LOOK_S))
        except Exception as error:
            self._put(error)
        finally:
            stream.is_open = False

    def _read_one(self, stream: ContainerLog, query: Query, *, follow: bool) -> bool:
        """Hand on the new lines of a log; False where it is not there yet, or not any more. Raises: RemoteError."""
        stream.seen.read_again()
        answer = open_log(self._client, stream.name, query, follow=follow)
        if answer.status in _NOT_THERE:
            return False
        if answer.status != 200:
            raise error_of(answer)
        if query.get("tailLines") == 0 and (since := since_of(answer.header("Date"))):
            stream.first = {"sinceTime": since}
        try:
            for lines in log_lines(answer, stream.name):
                if new := [line for line in lines if stream.seen.is_new(line.written_at, line.line)]:
                    self._put(new)
        except LogGone:
            if "previous" in query:
                what = f"{stream.name.pod}/{stream.name.container}: the node has no log of the run that ended"
                self._emit(Warned(self._target, what))
            return False
        return True

    def _put(self, item: list[LogLine] | Exception) -> None:
        """Hand on lines, or the error that ends it; wait while others are not taken, and drop it when nobody takes any more."""
        while not self._clock.is_cancelled():
            try:
                self._arrived.put(item, timeout=_PUT_S)
            except queue.Full:
                continue
            return


def _pods_of(pods: WorkloadPods) -> list[Pod]:
    """The pods as they are now; none while the owner is not there: somebody may create it again."""
    try:
        return pods.read()
    except RemoteError as error:
        if error.status == 404:
            return []
        raise
