"""Whether an object is as its controller should leave it, by its status alone; events explain the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shipit.targets.kubernetes.health.service import has_address
from shipit.targets.kubernetes.live import Live, Pod
from shipit.targets.kubernetes.objects import spec_of, status_of

_WORKLOADS = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet")


def needs_events(objects: Iterable[Live | None], pods: Iterable[Pod] = (), *, is_applied: bool) -> bool:
    """Whether an object is not ready, or a container was restarted, so that events may tell why.

    `is_applied`: all of the objects should be there.
    """
    if any(is_applied if live is None else not is_settled(live) for live in objects):
        return True
    return is_applied and any(container.last or container.ended for pod in pods for container in pod.containers)


def is_settled(live: Live) -> bool:
    status = live.status
    if live.kind in _WORKLOADS:
        counted = min(status.ready, status.updated) if _counts_updated(live) else status.ready
        return status.observed_generation >= live.meta.generation and counted >= live.wanted_pods
    if live.pod is not None:
        return live.pod.is_ready or live.pod.phase == "Succeeded"
    if live.kind == "Job":
        return any(row.type == "Complete" and row.status == "True" for row in status.conditions)
    if live.kind == "PersistentVolumeClaim":
        return status_of(live.manifest).get("phase") == "Bound"
    if live.kind == "Service":
        return spec_of(live.manifest).get("type") != "LoadBalancer" or has_address(live)
    return True


def _counts_updated(live: Live) -> bool:
    return live.kind in ("Deployment", "StatefulSet", "DaemonSet") and not live.spec.on_delete
