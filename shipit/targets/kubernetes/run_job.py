"""One-off commands: a Job with the image and settings of what runs, attached to, and removed afterwards.

Source: Kubernetes API reference, Pod `attach` subresource (PodAttachOptions).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from typing import NamedTuple

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError, ShipitError
from shipit.events import Waiting, Warned
from shipit.release import Seen
from shipit.targets.kubernetes.channels import Channels
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.exec import connect
from shipit.targets.kubernetes.health.failing import judge_failed
from shipit.targets.kubernetes.live import Container, Pod
from shipit.targets.kubernetes.logs import NoLog, whole_log
from shipit.targets.kubernetes.one_off import HELD_S, render_one_off
from shipit.targets.kubernetes.parse import parse_pod
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.remote import Command, Output, Remote, Size, Started

_POLL_S, _EXTEND_S, _END_S, _REMOVE_S = 0.15, 120.0, 30.0, 5.0
# How often the log of a command that is over is asked for while the kubelet does not have it.
_LOOKS = 20
# The reasons of a container whose program could not be started.
_NOT_STARTED = ("StartError", "ContainerCannotRun")
_MERGE = "application/merge-patch+json"


class OneOff(NamedTuple):
    """Where one-off commands of a workload run. `target` is its name in deploy.yml, `kubectl` a command for hints."""

    client: KubernetesClient
    target: str
    manifest: Manifest
    namespace: str
    kubectl: str

    def run(self, command: Command) -> Remote:
        """Start a command and connect to it. Raises: RemoteError, after what was made is removed."""
        try:
            return self._attached(command, waits=True)
        except _NotStarted as error:
            if "/bin/sh" not in error.what:
                raise
        what = "the image has no /bin/sh: what the command writes at once may be missing"
        self.client.emit(Warned(self.target, what))
        return self._attached(command, waits=False)

    def start(self, command: Command) -> Started:
        """Start a command that nobody waits for."""
        job = self._job(command, is_detached=True, waits=False)
        self.client.create(job, self.place)
        name = f"job/{job['metadata']['name']}"
        return Started(name, f"{self.kubectl} logs -f {name}")

    @property
    def place(self) -> str:
        return str(self.manifest["metadata"].get("namespace") or self.namespace)

    def _attached(self, command: Command, *, waits: bool) -> Remote:
        job = self._job(command, is_detached=False, waits=waits)
        self.client.create(job, self.place)
        try:
            return self._connected(job, command, waits=waits)
        except BaseException:
            self.remove(job)
            raise

    def _connected(self, job: Manifest, command: Command, *, waits: bool) -> Remote:
        pod, container = self._begun(job)
        if container.is_running:
            try:
                # The container has an input in any case: a line on it lets the command begin.
                with_input = command._replace(has_input=True)
                channels = connect(self.client, "attach", self.place, pod.meta.name, container.name, with_input)
                return RunningJob(self, job, channels, pod.meta.name, container.name, command, waits=waits)
            except RemoteError:
                # It may have ended meanwhile.
                pod, container = self._begun(job)
                if container.is_running:
                    raise
        assert container.ended is not None
        if container.ended.reason in _NOT_STARTED:
            raise _NotStarted(container.ended.message or "the command could not be started")
        return EndedJob(self, job, pod.meta.name, container)

    def _job(self, command: Command, *, is_detached: bool, waits: bool) -> Manifest:
        live = self.client.read(self.manifest, self.namespace)
        kind, name = self.manifest["kind"], self.manifest["metadata"]["name"]
        if live is None:
            what = f"{kind}/{name} is not there"
            raise RemoteError(what, where=self.client.server.context.name, hint="deploy first: shipit deploy")
        selectors = [live.spec.selector, *self._service_selectors()]
        unique = f"{name[:50].rstrip('-.')}-run-{secrets.token_hex(4)}"
        workload = {**live.manifest, "kind": kind}
        return render_one_off(unique, workload, command, selectors, is_detached=is_detached, waits=waits)

    def _service_selectors(self) -> list[dict[str, str]]:
        parse = lambda part: part["spec"]["selector"].texts()  # noqa: E731
        return self.client.listed("api/v1", "services", self.place, parse)

    def _begun(self, job: Manifest) -> tuple[Pod, Container]:
        """Wait until the command runs, or has ended already. Raises: RemoteError when it can't run."""
        name, told = job["metadata"]["name"], ""
        main = job["spec"]["template"]["spec"]["containers"][0]["name"]
        while True:
            pods = self.pods(name)
            for pod in pods:
                container = next((row for row in pod.containers if row.name == main), None)
                if container and (container.is_running or container.ended):
                    return pod, container
            if verdict := judge_failed(f"Job/{name}", pods, Seen(0, 0, 0), Limits(0, 0)):
                raise RemoteError(verdict.reason, detail=verdict.detail, hint=verdict.hint)
            reason = _waits_for(pods, main)
            if reason != told:
                self.client.emit(Waiting(self.target, f"{name}: {reason}"))
                told = reason
            self.client.deadline.sleep(_POLL_S, f"{name} to start ({reason})")

    def pods(self, name: str) -> list[Pod]:
        return self.client.listed("api/v1", "pods", self.place, parse_pod, f"job-name={name}")

    def written(self, pod: str, container: str) -> Iterator[Output]:
        """The log of a command. Warns where the kubelet does not have it after several tries."""
        for look in range(_LOOKS):
            if look:
                self.client.deadline.sleep(_POLL_S, f"the log of {pod}")
            # It is raised before any output.
            with contextlib.suppress(NoLog):
                for piece in whole_log(self.client, self.place, pod, container):
                    yield Output(1, piece)
                return
        self.client.emit(Warned(self.target, f"{pod}: the node has no log of the command: its output is missing"))

    def remove(self, job: Manifest) -> None:
        """Delete the Job and its pod, also when the run is cancelled; the cluster deletes it later where this fails."""
        clock = Clock()
        client = KubernetesClient(self.client.server, Deadline.after(clock, _REMOVE_S), self.client.emit, attempts=1)
        path = f"/apis/batch/v1/namespaces/{self.place}/jobs/{job['metadata']['name']}"
        try:
            client.write("DELETE", path, json.dumps({"propagationPolicy": "Background"}))
        except ShipitError as error:
            if not (isinstance(error, RemoteError) and error.status == 404):
                what = f"Job/{job['metadata']['name']} was not deleted: {error.what}; the cluster deletes it"
                self.client.emit(Warned(self.target, what))

    def extend(self, job: Manifest, age_s: float) -> None:
        """Let the Job run on for HELD_S seconds from now. Warns where that is refused: the cluster ends the Job then."""
        path = f"/apis/batch/v1/namespaces/{self.place}/jobs/{job['metadata']['name']}"
        body = {"spec": {"activeDeadlineSeconds": int(age_s) + HELD_S}}
        try:
            self.client.write("PATCH", path, json.dumps(body), None, _MERGE)
        except RemoteError as error:
            if not error.retryable:
                what = f"the cluster ends Job/{job['metadata']['name']} after {HELD_S // 60} minutes: {error.what}"
                self.client.emit(Warned(self.target, what))


class RunningJob(Channels):
    """A one-off command that we are connected to. Its Job is deleted by `close`."""

    def __init__(
        self,
        one_off: OneOff,
        job: Manifest,
        channels: Channels,
        pod: str,
        container: str,
        command: Command,
        *,
        waits: bool,
    ) -> None:
        super().__init__(channels.socket, pod)
        # The deadline of the session is for starting the command only.
        client = one_off.client
        unlimited = KubernetesClient(client.server, Deadline(client.deadline.clock), client.emit, client.attempts)
        self._one_off, self._job, self._container = one_off._replace(client=unlimited), job, container
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
            yield from self._one_off.written(self.where, self._container)

    def flush(self) -> None:
        now_s = time.monotonic()
        if now_s - self._extended_s > _EXTEND_S:
            self._extended_s = now_s
            self._one_off.extend(self._job, now_s - self._began_s)
        super().flush()

    def result(self) -> int:
        """The exit code, as the kubelet reports it when the container has ended."""
        client = self._one_off.client
        deadline = Deadline.after(client.deadline.clock, _END_S)
        while True:
            for pod in self._one_off.pods(self._job["metadata"]["name"]):
                for row in pod.containers:
                    if row.name == self._container and row.ended:
                        if row.ended.reason == "OOMKilled":
                            self._one_off.client.emit(
                                Warned(self._one_off.target, "it used more memory than its limit")
                            )
                        return row.ended.exit_code
            if deadline.remaining_s() <= 0:
                raise RemoteError("the connection ended before the command", where=self.where, retryable=True)
            deadline.sleep(_POLL_S, f"the exit code of {self.where}")

    def close(self) -> None:
        super().close()
        self._one_off.remove(self._job)

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

    def __init__(self, one_off: OneOff, job: Manifest, pod: str, container: Container) -> None:
        self.where = pod
        self.is_over = False
        self.has_more = True
        self._one_off, self._job, self._container = one_off, job, container
        # Always ready to be read.
        self._reader, writer = os.pipe()
        os.close(writer)

    def fileno(self) -> int:
        return self._reader

    def receive(self) -> Iterator[Output]:
        yield from self._one_off.written(self.where, self._container.name)
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
        self._one_off.remove(self._job)


class _NotStarted(RemoteError):
    """A container whose program could not be started."""

    def __init__(self, what: str) -> None:
        super().__init__(what, hint="check that the image has this program")


def _waits_for(pods: list[Pod], main: str) -> str:
    for pod in pods:
        for row in pod.conditions:
            if row.type == "PodScheduled" and row.status == "False":
                return f"{row.reason}: {row.message}"
        for container in pod.containers:
            if container.is_init and container.is_running:
                return f"{container.name} is running first"
            if container.name == main and container.waiting:
                return container.waiting[0]
    return "being created"
