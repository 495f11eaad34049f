"""One-off commands that are connected to, or that had ended before.

Source: Kubernetes API reference, Pod `attach` subresource (PodAttachOptions).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from shipit.clock import Deadline
from shipit.errors import RemoteError
from shipit.events import Warned
from shipit.targets.kubernetes.channels import Channels
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.live import Container
from shipit.targets.kubernetes.one_off_job import POLL_S, OneOffJob
from shipit.targets.remote import Command, Output, Size

_EXTEND_S, _END_S = 120.0, 30.0


class RunningJob(Channels):
    """A one-off command that we are connected to. Its Job is deleted by `close`."""

    def __init__(
        self,
        job: OneOffJob,
        channels: Channels,
        pod: str,
        container: str,
        command: Command,
        *,
        waits: bool,
    ) -> None:
        super().__init__(channels.socket, pod)
        # The deadline of the session is for starting the command only.
        client = job.client
        unlimited = KubernetesClient(client.server, Deadline(client.deadline.clock), client.emit, client.attempts)
        self._job, self._container = job._replace(client=unlimited), container
        self._began_s = self._extended_s = time.monotonic()
        # A command that waits to be connected to writes nothing before.
        self._is_whole = waits
        # A terminal shows the line that lets the command begin.
        self._echo = b"\r\n" if waits and command.terminal else b""
        if waits:
            self.give(b"\n")
        if not command.has_input and waits:
            with contextlib.suppress(RemoteError):
                self.end_input()

    def receive(self) -> Iterator[Output]:
        for output in super().receive():
            data = self._without_echo(output.data)
            if data:
                self._is_whole = True
                yield output._replace(data=data)
        if self.is_over and not self._is_whole:
            # It had written all before it was connected to.
            self._is_whole = True
            yield from self._job.written(self.where, self._container)

    def flush(self) -> None:
        now_s = time.monotonic()
        if now_s - self._extended_s > _EXTEND_S:
            self._extended_s = now_s
            self._job.extend(now_s - self._began_s)
        super().flush()

    def result(self) -> int:
        """The exit code, as the kubelet reports it when the container has ended."""
        client = self._job.client
        deadline = Deadline.after(client.deadline.clock, _END_S)
        while True:
            for pod in self._job.pods():
                for row in pod.containers:
                    if row.name == self._container and row.ended:
                        if row.ended.reason == "OOMKilled":
                            self._job.client.emit(Warned(self._job.target, "it used more memory than its limit"))
                        return row.ended.exit_code
            if deadline.remaining_s() <= 0:
                raise RemoteError("the connection ended before the command", where=self.where, retryable=True)
            deadline.sleep(POLL_S, f"the exit code of {self.where}")

    def close(self) -> None:
        super().close()
        self._job.remove()

    def _without_echo(self, data: bytes) -> bytes:
        while self._echo and data:
            if data[:1] != self._echo[:1]:
                self._echo = b""
                break
            self._echo, data = self._echo[1:], data[1:]
        return data


class EndedJob:
    """A one-off command that had ended before we were connected to it: its output is its log."""

    has_unsent = is_full = False

    def __init__(self, job: OneOffJob, pod: str, container: Container) -> None:
        self.where = pod
        self.is_over = False
        self.has_more = True
        self._job, self._container = job, container
        # Always ready to be read.
        self._reader, writer = os.pipe()
        os.close(writer)

    def fileno(self) -> int:
        return self._reader

    def receive(self) -> Iterator[Output]:
        yield from self._job.written(self.where, self._container.name)
        self.is_over = True

    def flush(self) -> None:
        """Nothing is sent to it any more."""

    def give(self, data: bytes) -> None:
        """It reads no more."""

    def end_input(self) -> None:
        """It reads no more."""

    def resize(self, size: Size) -> None:
        """It has no terminal any more."""

    def result(self) -> int:
        assert self._container.ended is not None
        return self._container.ended.exit_code

    def close(self) -> None:
        os.close(self._reader)
        self._job.remove()
