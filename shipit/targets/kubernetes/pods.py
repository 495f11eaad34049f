"""The pods of a workload: failures with their cause, reasons to wait, images that run. Pure.

Source: Kubernetes concepts, "Pod lifecycle"; the reasons that the kubelet and scheduler give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shipit.digest import parse_digest
from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.live import REVISION, Container, Ended, Live, Meta, Pod
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.pulls import pull_failure

# Waiting reasons of containers that do not go away by themselves.
_TERMINAL = {
    "ImagePullBackOff": "can't pull its image",
    "InvalidImageName": "has an invalid image name",
    "ErrImageNeverPull": "may not pull its image",
    "CreateContainerConfigError": "can't be configured",
    "CreateContainerError": "can't be created",
    "RunContainerError": "can't be started",
    "CrashLoopBackOff": "crashes again and again",
}
_HINTS = {
    "ImagePullBackOff": "check that the cluster can reach the registry, and set pull_secret: true if it is private",
    "CreateContainerConfigError": "a Secret or ConfigMap that it names may be missing",
    "Unschedulable": "ask for less cpu or memory, or add nodes",
}
_DETAIL_LINES = 4


class Limits(NamedTuple):
    """The tolerated restarts, and seconds without progress."""

    restarts_allowed: int
    pending_s: float


def pods_of_deployment(live: Live, observed: KubernetesObserved) -> list[Pod]:
    """The pods of the Deployment's current ReplicaSet; none while that does not exist."""
    newest = current_replica_set(live, observed)
    return pods_of(newest.uid, observed) if newest else []


def current_replica_set(live: Live, observed: KubernetesObserved) -> Meta | None:
    """The ReplicaSet of a Deployment that has its revision; None while there is none."""
    revision = live.meta.annotations.get(REVISION)
    for replica_set in observed.replica_sets:
        if live.meta.uid in replica_set.owners and replica_set.annotations.get(REVISION) == revision:
            return replica_set
    return None


def pods_of(uid: str, observed: KubernetesObserved) -> list[Pod]:
    """The pods that an object owns, without those that are being deleted."""
    return [pod for pod in observed.pods if uid in pod.meta.owners and not pod.meta.is_deleting]


def judge_failed(key: str, pods: Iterable[Pod], seen: Seen, limits: Limits) -> Verdict | None:
    """A failure for the first container that will not recover; None where there is none."""
    before = _restarts_before(seen)
    for pod in pods:
        for container in pod.containers:
            earlier = before.get((pod.meta.uid, container.name), 0)
            if verdict := _failed_container(key, pod, container, earlier, seen, limits):
                return verdict
    return None


def judge_images(
    key: str, pods: Iterable[Pod], wanted: Mapping[str, str], digests: Mapping[str, frozenset[str]]
) -> Verdict | None:
    """A failure where a container runs another image than `wanted`, container -> image as pinned; None for none.

    Without an imageID in the pod's status, the image in its spec is compared.
    """
    for pod in pods:
        told = {container.name: container.digest for container in pod.containers}
        for name, image in wanted.items():
            allowed = digests.get(image)
            running = told.get(name) or parse_digest(pod.images.get(name, "").rpartition("@")[2])
            if allowed and running and running not in allowed:
                what = f"{key}: {name} of {pod.meta.name} runs {running.short}, which is not what was pushed"
                return Verdict(State.FAILED, what, hint="deploy again")
    return None


def waiting(key: str, what: str, pods: Sequence[Pod], progress: str) -> Verdict:
    """The verdict on a workload whose rollout is not complete, with the reason that its pods are not ready."""
    reasons = [text for pod in pods if (text := reason_not_ready(pod))]
    unschedulable = any("Unschedulable" in text for text in reasons)
    shown = f"{key}: {what}" + (f" ({reasons[0]})" if reasons else "")
    states = " ".join(sorted(f"{pod.meta.name}{reason_not_ready(pod)}{pod.is_ready}{_phases(pod)}" for pod in pods))
    return Verdict(
        State.WAITING,
        shown,
        f"{key} {progress} {states}",
        hint=_HINTS["Unschedulable"] if unschedulable else "",
        subject=next((subject(pod) for pod in pods if not pod.is_ready), key),
    )


def subject(pod: Pod, container: str = "") -> str:
    """The subject of a verdict, from which logs and events are found."""
    return f"pod:{pod.meta.namespace}/{pod.meta.name}/{container}"


def _failed_container(
    key: str, pod: Pod, container: Container, earlier: int, seen: Seen, limits: Limits
) -> Verdict | None:
    reason, message = container.waiting or ("", "")
    ended = container.ended or container.last
    crashes = container.restarts - earlier + bool(container.ended and container.ended.exit_code)
    crashes = max(crashes, 1) if reason == "CrashLoopBackOff" else crashes
    too_many = crashes > limits.restarts_allowed
    about = subject(pod, container.name)
    # Without a baseline this run changed nothing, and did not cause earlier restarts.
    if ended and ended.exit_code and too_many and (seen.baseline is not None or reason == "CrashLoopBackOff"):
        what = f"{key}: {_named(pod, container)} exited with {ended.exit_code} ({ended.reason})"
        return Verdict(State.FAILED, what, reason, hint=_exit_hint(ended), subject=about)
    if pull := pull_failure(reason, message):
        detail = tuple(message.splitlines()[:_DETAIL_LINES])
        what = f"{key}: {_named(pod, container)} can't pull its image: {pull.cause} ({reason})"
        return Verdict(State.FAILED, what, reason, detail, pull.hint, about)
    if reason in _TERMINAL and (reason != "CrashLoopBackOff" or too_many):
        detail = tuple(message.splitlines()[:_DETAIL_LINES])
        what = f"{key}: {_named(pod, container)} {_TERMINAL[reason]} ({reason})"
        return Verdict(State.FAILED, what, reason, detail, _HINTS.get(reason, ""), about)
    return None


def _named(pod: Pod, container: Container) -> str:
    """A pod, and which container of it where it has several."""
    return pod.meta.name if len(pod.containers) == 1 else f"{container.name} of {pod.meta.name}"


def _exit_hint(ended: Ended) -> str:
    if ended.reason == "OOMKilled":
        return "it used more memory than its limit: raise memory:"
    return {
        126: "the command can't be executed: check its mode and the image's platform",
        127: "the command was not found in the image",
        137: "it was killed with SIGKILL: by a failed liveness or startup probe, or because it was too slow to stop",
    }.get(ended.exit_code, "the lines above are the last it wrote")


def _restarts_before(seen: Seen) -> dict[tuple[str, str], int]:
    """(uid of the pod, container) -> restarts before this run."""
    baseline = seen.baseline
    pods = baseline.pods if isinstance(baseline, KubernetesObserved) else ()
    return {(pod.meta.uid, container.name): container.restarts for pod in pods for container in pod.containers}


def _phases(pod: Pod) -> str:
    """A letter for each container: running, ended or waiting. A container that ends after a long time is progress."""
    return "".join("r" if row.is_running else "e" if row.ended else "w" for row in pod.containers)


def reason_not_ready(pod: Pod) -> str:
    """The reason that a pod is not ready; empty when it is ready."""
    if pod.meta.is_deleting:
        return "being deleted"
    for condition in pod.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{condition.reason}: {condition.message}"
    for container in pod.containers:
        if container.waiting:
            return container.waiting[0] or "waiting"
    return "" if pod.is_ready else "not ready"
