"""What runs in a namespace, for `status`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipit.release import Unit
from shipit.targets.kubernetes.live import Container, Ended, Live, Pod, job_state
from shipit.targets.kubernetes.objects import container_images, spec_of
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.origin import RUN
from shipit.targets.kubernetes.pods import current_replica_set, pods_behind, reason_not_ready

# The longest run that is shown.
_LONGEST = 64


def describe_objects(observed: KubernetesObserved) -> Iterator[Unit]:
    """A unit for each object that has pods, and for each that is not there."""
    for key, live in observed.objects.items():
        if live is None:
            yield Unit(key, "not there")
        elif (unit := _described(key, live, observed)) is not None:
            yield unit


def _described(key: str, live: Live, observed: KubernetesObserved) -> Unit | None:
    """The unit of an object; None for one of a kind that has no pods."""
    if live.kind == "Pod":
        return _pod(key, live)
    pods = pods_behind(live, observed)
    if live.kind == "Job":
        return _unit(key, live, pods, state=job_state(live), counts=False)
    if live.kind == "Deployment":
        newest = current_replica_set(live, observed)
        return _unit(key, live, pods, since=newest.created if newest else "")
    if live.kind in ("StatefulSet", "DaemonSet"):
        return _unit(key, live, pods)
    if live.kind in ("CronJob", "ReplicaSet", "ReplicationController"):
        state = "suspended" if spec_of(live.manifest).get("suspend") is True else ""
        images = ", ".join(container_images(live.manifest).values())
        return Unit(key, state, images, since=live.meta.created, version=_run(live))
    return None


def _unit(key: str, live: Live, pods: Sequence[Pod], *, state: str = "", since: str = "", counts: bool = True) -> Unit:
    """`since` is when what runs was released; the age of the object where that is not known."""
    return Unit(
        key,
        state or _state(live, pods),
        ", ".join(live.spec.images.values()),
        live.wanted_pods if counts else None,
        live.status.ready if counts else None,
        sum(container.restarts for pod in pods for container in pod.containers),
        since or live.meta.created,
        _last_error(pods),
        _run(live),
    )


def _pod(key: str, live: Live) -> Unit:
    images, pods = ", ".join(live.spec.images.values()), [live.pod] if live.pod else []
    restarts = sum(container.restarts for pod in pods for container in pod.containers)
    error = _last_error(pods)
    return Unit(
        key,
        live.status.phase,
        images,
        restarts=restarts,
        since=live.meta.created,
        error=error,
        version=_run(live),
    )


def _run(live: Live) -> str:
    """The run that wrote an object last, by its annotation: anybody may have written it."""
    return live.meta.annotations.get(RUN, "")[:_LONGEST]


def _state(live: Live, pods: Sequence[Pod]) -> str:
    """Why not all pods are ready; empty when they are."""
    status, wanted = live.status, live.wanted_pods
    if live.meta.is_deleting:
        return "being deleted"
    reasons = [reason for pod in pods if (reason := reason_not_ready(pod))]
    if reasons:
        return reasons[0]
    if status.observed_generation < live.meta.generation:
        return "not yet observed by its controller"
    return f"{status.updated} of {wanted} updated" if status.updated < wanted else ""


def _last_error(pods: Sequence[Pod]) -> str:
    """How the container of a pod ended that failed last, or why it can't start."""
    for pod in pods:
        for container in pod.containers:
            if text := _error(container):
                return f"{pod.meta.name}: {container.name} {text}"
    return ""


def _error(container: Container) -> str:
    ended: Ended | None = container.ended or container.last
    if ended is not None and ended.is_failure:
        reason = f" ({ended.reason})" if ended.reason else ""
        return f"exited with {ended.exit_code}{reason}"
    reason, message = container.waiting or ("", "")
    return f"{reason}: {message}" if reason and message else ""
