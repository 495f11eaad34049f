"""Running a release command as a Job, once, to its end."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipit.errors import DeadlinePassed, DeployFailed, RemoteError
from shipit.events import Event, Log
from shipit.release import Seen
from shipit.targets.kubernetes.admission import admission_hint
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.deletion import delete_object
from shipit.targets.kubernetes.health.happenings import about
from shipit.targets.kubernetes.live import Live, Pod, job_state
from shipit.targets.kubernetes.parse import parse_event, parse_live, parse_pod
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.render import Manifest

if TYPE_CHECKING:
    from shipit.targets.kubernetes.steps import RunReleaseJob
    from shipit.targets.kubernetes.tail import Tail

LOG_LINES, POLL_S = 20, 0.5
# How often the log of a run that is over is asked for while the kubelet does not have it.
_LOOKS = 6
# Looks at which the Job has no pod and the API server refused one, until that is a failure.
_REFUSALS = 3


@dataclass(frozen=True)
class ReleaseJob:
    """One run of a release command. `kubectl` is the command with context and namespace, for hints.

    The client's deadline is that of the command.
    """

    target: str
    namespace: str
    kubectl: str
    client: KubernetesClient

    def run(self, step: RunReleaseJob) -> Iterator[Event]:
        """Create the Job, forward its log until it ends, then delete the Jobs of earlier releases.

        Its name has a hash of its manifest. One that exists is the same command of another deploy: it is awaited. Only a
        run that had failed when the plan was made is replaced.
        Raises: DeployFailed when it failed, can't start, or took too long.
        """
        job, last = dict(step.manifest), deque[str](maxlen=LOG_LINES)
        name = job["metadata"]["name"]
        try:
            if step.failed:
                delete_object(self.client, job, self.namespace, step.failed)
            if not self.client.create(job, self.namespace):
                yield Log(self.target, "release", f"Job/{name} exists already: waiting for it")
            yield from self._follow(job, last)
        except DeadlinePassed:
            raise self._failed(name, "did not end in time", last) from None
        self._forget(job, step.forget)

    def _follow(self, job: Manifest, last: deque[str]) -> Iterator[Event]:
        """Forward the Job's log until it ends."""
        from shipit.targets.kubernetes.tail import Tail

        name, tails, refusals = job["metadata"]["name"], defaultdict[str, Tail](Tail), 0
        while True:
            live = self.client.read(job, self.namespace)
            state = job_state(live) if live else "gone"
            pods = self.client.listed("api/v1", "pods", self.namespace, parse_pod, f"job-name={name}")
            for pod in pods:
                for line in self._written(pod, tails[pod.meta.uid], is_over=state != "running"):
                    last.append(line)
                    yield Log(self.target, "release", line)
            if state == "succeeded":
                return
            if reason := _ended(state) or _stuck(pods):
                hint = "fix the release command and deploy again" if state == "failed" else ""
                raise self._failed(name, reason, last, hint)
            message = self._refusal(live.meta.uid) if live and not pods else ""
            # The controller tries again: what is refused for a moment only is no failure.
            refusals = refusals + 1 if message else 0
            if refusals >= _REFUSALS:
                raise self._failed(
                    name, f"can't start: its pod can't be created: {message}", last, admission_hint(message)
                )
            self.client.deadline.sleep(POLL_S, f"Job/{name} to end")

    def _refusal(self, uid: str) -> str:
        """Why the API server refuses the Job's pod; empty where it did not, or where this user may not read events."""
        fields = f"involvedObject.uid={uid},reason=FailedCreate"
        try:
            found = self.client.listed("api/v1", "events", self.namespace, parse_event, fields=fields)
        except RemoteError as error:
            if error.status == 403:
                return ""
            raise
        return next((event.message for event in about(uid, found, "FailedCreate")), "")

    def _written(self, pod: Pod, tail: Tail, *, is_over: bool) -> Iterator[str]:
        """The new lines of a pod's log; all of them when the Job ended."""
        from shipit.targets.kubernetes.logs import NoLog, log_since

        looks = 0
        while looks < _LOOKS:
            try:
                lines = log_since(self.client, self.namespace, pod.meta.name, "release", tail)
            except NoLog:
                if not is_over:
                    return
                looks += 1
                self.client.deadline.sleep(POLL_S, f"the log of {pod.meta.name}")
                continue
            yield from lines
            if not lines or not is_over:
                return

    def _failed(self, name: str, reason: str, last: Iterable[str], hint: str = "") -> DeployFailed:
        hint = hint or f"{self.kubectl} describe job {name}"
        return DeployFailed(f"the release command {reason}", where=f"Job/{name}", detail=tuple(last), hint=hint)

    def _forget(self, job: Manifest, names: Iterable[str]) -> None:
        """Delete the Jobs of earlier releases that ended; one that runs may be another deploy's."""
        for name in names:
            other = {**job, "metadata": {"name": name}}
            live = self.client.read(other, self.namespace)
            if live is not None and job_state(live) != "running":
                delete_object(self.client, other, self.namespace, live.meta.uid)


def read_jobs(client: KubernetesClient, namespace: str, selector: str) -> tuple[Live, ...]:
    """The Jobs of a namespace by label selector. The items of a list lack their kind."""
    head = {"apiVersion": "batch/v1", "kind": "Job"}
    return tuple(
        client.listed("apis/batch/v1", "jobs", namespace, lambda item: parse_live(item.within(head)), selector)
    )


def _ended(state: str) -> str:
    return {"failed": "failed", "gone": "was deleted while it ran"}.get(state, "")


def _stuck(pods: list[Pod]) -> str:
    """The reason that the Job's pod will not start; empty for none."""
    from shipit.targets.kubernetes.health.failing import judge_failed

    waiting = [pod for pod in pods if any(container.waiting for container in pod.containers)]
    verdict = judge_failed("Job", waiting, Seen(0, 0, 0), Limits(0, 0))
    return f"can't start: {verdict.reason}" if verdict else ""
