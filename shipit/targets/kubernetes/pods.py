"""The pods of an object: which they are, why one is not ready, and which images run. Pure.

Source: Kubernetes concepts, "Owners and Dependents", "Pod lifecycle".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shipit.digest import parse_digest
from shipit.release import State, Verdict
from shipit.targets.kubernetes.live import REVISION, Live, Meta, Pod
from shipit.targets.kubernetes.observed import KubernetesObserved


class Limits(NamedTuple):
    """The tolerated restarts, and seconds without progress."""

    restarts_allowed: int
    pending_s: float


def pods_behind(live: Live, observed: KubernetesObserved) -> list[Pod]:
    """The pods that an object owns, directly or through ReplicaSets; of a Deployment those of its current ReplicaSet.

    A Pod is its own. Those that are being deleted are left out.
    """
    if live.pod is not None:
        return [live.pod]
    if live.kind == "Deployment":
        newest = current_replica_set(live, observed)
        uids = [newest.uid] if newest else []
    else:
        uids = [live.meta.uid, *(row.uid for row in observed.sets_by_owner.get(live.meta.uid, ()))]
    return [pod for uid in uids for pod in observed.pods_by_owner.get(uid, ())]


def current_replica_set(live: Live, observed: KubernetesObserved) -> Meta | None:
    """The ReplicaSet of a Deployment that has its revision; None while there is none."""
    revision = live.meta.annotations.get(REVISION)
    found = observed.sets_by_owner.get(live.meta.uid, ())
    return next((row for row in found if row.annotations.get(REVISION) == revision), None)


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


def subject(pod: Pod, container: str = "") -> str:
    """The subject of a verdict, from which logs and events are found."""
    return f"pod:{pod.meta.namespace}/{pod.meta.name}/{container}"


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
