"""One-off commands: a Job with the image and settings of what runs, attached to, and removed afterwards.

Source: Kubernetes API reference, Pod `attach` subresource (PodAttachOptions).
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from shipit.errors import RemoteError
from shipit.events import Waiting, Warned
from shipit.release import Seen
from shipit.targets.kubernetes.attached_job import EndedJob, RunningJob
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.exec import connect
from shipit.targets.kubernetes.health.failing import judge_failed
from shipit.targets.kubernetes.live import Container, Pod
from shipit.targets.kubernetes.one_off import render_one_off
from shipit.targets.kubernetes.one_off_job import POLL_S, OneOffJob
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.remote import Command, Remote, Started

# The reasons of a container whose program could not be started.
_NOT_STARTED = ("StartError", "ContainerCannotRun")


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
        manifest = self._job(command, is_detached=False, waits=waits)
        self.client.create(manifest, self.place)
        job = OneOffJob(self.client, self.target, self.place, manifest["metadata"]["name"])
        main = manifest["spec"]["template"]["spec"]["containers"][0]["name"]
        try:
            return self._connected(job, main, command, waits=waits)
        except BaseException:
            job.remove()
            raise

    def _connected(self, job: OneOffJob, main: str, command: Command, *, waits: bool) -> Remote:
        pod, container = self._begun(job, main)
        if container.is_running:
            try:
                # The container has an input in any case: a line on it lets the command begin.
                with_input = command._replace(has_input=True)
                channels = connect(self.client, "attach", self.place, pod.meta.name, container.name, with_input)
                return RunningJob(job, channels, pod.meta.name, container.name, command, waits=waits)
            except RemoteError:
                # It may have ended meanwhile.
                pod, container = self._begun(job, main)
                if container.is_running:
                    raise
        assert container.ended is not None
        if container.ended.reason in _NOT_STARTED:
            raise _NotStarted(container.ended.message or "the command could not be started")
        return EndedJob(job, pod.meta.name, container)

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

    def _begun(self, job: OneOffJob, main: str) -> tuple[Pod, Container]:
        """Wait until the command runs, or has ended already. Raises: RemoteError when it can't run."""
        name, told = job.name, ""
        while True:
            pods = job.pods()
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
            self.client.deadline.sleep(POLL_S, f"{name} to start ({reason})")


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
