"""Running a release command as a Job, to its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shipit.errors import DeployFailed
from shipit.events import Event, Log
from shipit.release import Seen, State
from shipit.targets.base import Context
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.judge import Limits, judge_kubernetes
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.plan import job_state
from shipit.targets.kubernetes.render import Manifest

LOG_LINES, POLL_S = 20, 0.5
# What is asked for at each look; a command that writes more between two looks loses the oldest of it here, not in the cluster.
_TAIL = 2000


@dataclass(frozen=True)
class ReleaseJob:
    """One run of a release command: the target's name, where it runs, and how long it may take, in seconds."""

    target: str
    namespace: str
    kubectl: str
    timeout_s: float
    client: KubernetesClient

    def run(self, payload: Mapping[str, Any], context: Context) -> Iterator[Event]:
        """Apply the Job, pass on what it writes until it is over, then forget the Jobs of earlier releases.

        Raises: DeployFailed when it failed, can't start, or took too long.
        """
        job = payload["job"]
        if payload["replace"]:
            self.client.delete(job, self.namespace)
        self.client.apply(job, self.namespace)
        deadline = min(context.clock.now() + self.timeout_s, context.deadline_s)
        shown: list[str] = []
        while True:
            state = job_state(self.client.read(job, self.namespace) or {})
            name = job["metadata"]["name"]
            lines = self._lines(name)
            yield from (Log(self.target, "release", line) for line in lines[len(shown) :])
            shown = lines if len(lines) >= len(shown) else shown
            if state != "running":
                break
            reason = self._stuck(name) or ("did not end in time" if context.clock.now() > deadline else "")
            if reason:
                hint = f"{self.kubectl} describe job {name}"
                raise DeployFailed(
                    f"the release command {reason}", where=f"Job/{name}", detail=shown[-LOG_LINES:], hint=hint
                )
            context.clock.sleep(POLL_S)
        if state == "failed":
            hint = "fix the release command and deploy again; what ran before still runs"
            raise DeployFailed("the release command failed", where=f"Job/{name}", detail=shown[-LOG_LINES:], hint=hint)
        for other in payload["forget"]:
            self.client.delete({**job, "metadata": {"name": other}}, self.namespace)

    def _lines(self, name: str) -> list[str]:
        return [
            line
            for pod in self._pods(name)
            for line in self.client.logs(
                self.namespace, pod["metadata"]["name"], "release", previous=False, lines=_TAIL
            )
        ]

    def _pods(self, name: str) -> list[Manifest]:
        return self.client.listed("api/v1", "pods", self.namespace, f"job-name={name}")

    def _stuck(self, name: str) -> str:
        """Why the Job's pod will never start, or nothing."""
        for pod in self._pods(name):
            statuses = (pod.get("status") or {}).get("containerStatuses") or []
            if any((status.get("state") or {}).get("waiting") for status in statuses):
                observed = KubernetesObserved({f"Pod/{name}": {**pod, "kind": "Pod"}})
                verdict = judge_kubernetes([f"Pod/{name}"], observed, Seen(0, 0, 0), Limits(0, 0, {}))
                if verdict.state is State.FAILED:
                    return f"can't start: {verdict.reason}"
        return ""
