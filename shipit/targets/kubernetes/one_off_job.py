"""A Job of a one-off command: its pods, the log of the command, and its end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError, ShipitError
from shipit.events import Warned
from shipit.targets.kubernetes.client import MERGE, KubernetesClient
from shipit.targets.kubernetes.live import Pod
from shipit.targets.kubernetes.logs import NoLog, whole_log
from shipit.targets.kubernetes.one_off import HELD_S
from shipit.targets.kubernetes.parse import parse_pod
from shipit.targets.remote import Output

POLL_S, _REMOVE_S = 0.15, 5.0
# How often the log of a command that is over is asked for while the kubelet does not have it.
_LOOKS = 20


class OneOffJob(NamedTuple):
    """A Job that exists. `target` is the name in deploy.yml, `place` the namespace."""

    client: KubernetesClient
    target: str
    place: str
    name: str

    def pods(self) -> list[Pod]:
        return self.client.listed("api/v1", "pods", self.place, parse_pod, f"job-name={self.name}")

    def written(self, pod: str, container: str) -> Iterator[Output]:
        """The log of a command. Warns where the kubelet does not have it after several tries."""
        for look in range(_LOOKS):
            if look:
                self.client.deadline.sleep(POLL_S, f"the log of {pod}")
            # It is raised before any output.
            with contextlib.suppress(NoLog):
                for piece in whole_log(self.client, self.place, pod, container):
                    yield Output(1, piece)
                return
        self.client.emit(Warned(self.target, f"{pod}: the node has no log of the command: its output is missing"))

    def remove(self) -> None:
        """Delete the Job and its pod, also when the run is cancelled; the cluster deletes it later where this fails."""
        clock = Clock()
        client = KubernetesClient(self.client.server, Deadline.after(clock, _REMOVE_S), self.client.emit, attempts=1)
        try:
            client.write("DELETE", self._path, json.dumps({"propagationPolicy": "Background"}))
        except ShipitError as error:
            if not (isinstance(error, RemoteError) and error.status == 404):
                what = f"Job/{self.name} was not deleted: {error.what}; the cluster deletes it"
                self.client.emit(Warned(self.target, what))

    def extend(self, age_s: float) -> None:
        """Let the Job run on for HELD_S seconds from now. Warns where that is refused: the cluster ends the Job then."""
        body = {"spec": {"activeDeadlineSeconds": int(age_s) + HELD_S}}
        try:
            self.client.write("PATCH", self._path, json.dumps(body), None, MERGE)
        except RemoteError as error:
            if not error.retryable:
                what = f"the cluster ends Job/{self.name} after {HELD_S // 60} minutes: {error.what}"
                self.client.emit(Warned(self.target, what))

    @property
    def _path(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.place}/jobs/{self.name}"
