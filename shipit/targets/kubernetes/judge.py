"""What to think of workloads and their pods. Pure.

Source: Kubernetes concepts, "Deployment status", "Pod lifecycle"; the reasons that the kubelet and scheduler give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.observed import KubernetesObserved, owned_by
from shipit.targets.kubernetes.plan import job_state
from shipit.targets.kubernetes.render import Manifest

# A container that waits for one of these will not start by waiting longer.
_TERMINAL = {
    "ImagePullBackOff": "can't pull its image",
    "InvalidImageName": "has an image name that is none",
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


@dataclass(frozen=True, slots=True)
class Limits:
    """What is forgiven: restarts, and seconds without progress. `ids`: pinned image -> digests that may show as running."""

    restarts_allowed: int
    pending_s: float
    ids: Mapping[str, frozenset[str]]


def judge_kubernetes(keys: Sequence[str], observed: KubernetesObserved, seen: Seen, limits: Limits) -> Verdict:
    """The worst of the verdicts on each object: failed before waiting before healthy."""
    verdicts = [_judge_object(key, observed.objects.get(key), observed, seen, limits) for key in keys]
    for state in (State.FAILED, State.WAITING):
        if found := [verdict for verdict in verdicts if verdict.state is state]:
            progress = "|".join(verdict.progress for verdict in verdicts)
            reason = "; ".join(verdict.reason for verdict in found[:3])
            first = found[0]
            if state is State.WAITING and seen.unchanged_s > limits.pending_s:
                return Verdict(
                    State.FAILED,
                    f"{reason}: no progress for {seen.unchanged_s:.0f} s",
                    progress,
                    hint=first.hint,
                    subject=first.subject,
                )
            return Verdict(
                state,
                first.reason if state is State.FAILED else reason,
                progress,
                first.detail,
                first.hint,
                first.subject,
            )
    said = [verdict.reason for verdict in verdicts if verdict.reason]
    return Verdict(State.HEALTHY, ", ".join(said) or "applied", "|".join(verdict.progress for verdict in verdicts))


def _judge_object(key: str, live: Manifest | None, observed: KubernetesObserved, seen: Seen, limits: Limits) -> Verdict:
    if live is None:
        return Verdict(State.FAILED, f"{key} is gone", hint="deploy again")
    kind = live.get("kind") or key.split("/")[0]
    if kind == "Deployment":
        return _judge_deployment(key, live, observed, seen, limits)
    if kind in ("StatefulSet", "DaemonSet"):
        return _judge_set(key, live, observed, seen, limits)
    if kind == "Pod":
        return _judge_bare_pod(key, live, seen, limits)
    if kind == "Job":
        state = job_state(live)
        if state == "failed":
            return Verdict(State.FAILED, f"{key} failed", subject=key)
        return Verdict(State.HEALTHY if state == "succeeded" else State.WAITING, f"{key} {state}", f"{key} {state}")
    return Verdict(State.HEALTHY, "")


def _judge_deployment(key: str, live: Manifest, observed: KubernetesObserved, seen: Seen, limits: Limits) -> Verdict:
    status, spec = live.get("status") or {}, live["spec"]
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return Verdict(State.WAITING, f"{key}: not yet taken up", f"{key} {live['metadata'].get('generation')}")
    pods = _pods_of_deployment(live, observed)
    if failure := _failed_pod(key, pods, seen, limits):
        return failure
    for condition in status.get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return Verdict(State.FAILED, f"{key}: {condition.get('message', 'pods can not be created')}", subject=key)
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return Verdict(State.FAILED, f"{key}: its progress deadline passed", subject=key)
    wanted = spec.get("replicas", 1)
    updated, available, total = (status.get(name, 0) for name in ("updatedReplicas", "availableReplicas", "replicas"))
    if updated >= wanted and available >= wanted and total <= updated:
        return _running(key, f"{key} {available}/{wanted} ready", pods, limits)
    what = f"{updated} of {wanted} updated, {available} available" + (
        f", {total - updated} old" if total > updated else ""
    )
    return _waiting(key, what, pods, f"{updated} {available} {total}")


def _judge_set(key: str, live: Manifest, observed: KubernetesObserved, seen: Seen, limits: Limits) -> Verdict:
    status, spec, daemon = live.get("status") or {}, live["spec"], live["kind"] == "DaemonSet"
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return Verdict(State.WAITING, f"{key}: not yet taken up", f"{key} {live['metadata'].get('generation')}")
    uid = live["metadata"].get("uid", "")
    pods = [pod for pod in observed.pods if owned_by(pod, uid)]
    if failure := _failed_pod(key, pods, seen, limits):
        return failure
    wanted = status.get("desiredNumberScheduled", 0) if daemon else spec.get("replicas", 1)
    updated = status.get("updatedNumberScheduled" if daemon else "updatedReplicas", 0)
    ready = status.get("numberReady" if daemon else "readyReplicas", 0)
    on_delete = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    if ready >= wanted and (updated >= wanted or on_delete):
        return Verdict(State.HEALTHY, f"{key} {ready}/{wanted} ready", f"{updated} {ready}")
    return _waiting(key, f"{updated} of {wanted} updated, {ready} ready", pods, f"{updated} {ready}")


def _judge_bare_pod(key: str, live: Manifest, seen: Seen, limits: Limits) -> Verdict:
    phase = (live.get("status") or {}).get("phase", "Pending")
    if phase == "Succeeded":
        return Verdict(State.HEALTHY, f"{key} succeeded", phase)
    if failure := _failed_pod(key, [live], seen, limits):
        return failure
    if phase == "Failed":
        return Verdict(State.FAILED, f"{key} failed", phase, subject=_subject(live, ""))
    if phase == "Running" and _is_ready(live):
        return _running(key, f"{key} ready", [live], limits)
    return _waiting(key, phase.lower(), [live], phase)


def _running(key: str, reason: str, pods: Sequence[Manifest], limits: Limits) -> Verdict:
    """Healthy, unless a container runs another image than the one pushed."""
    for pod in pods:
        wanted = {container["name"]: container["image"] for container in pod["spec"]["containers"]}
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            allowed = limits.ids.get(wanted.get(status["name"], ""))
            running = str(status.get("imageID", ""))
            if allowed and running and not any(digest in running for digest in allowed):
                return Verdict(
                    State.FAILED,
                    f"{key}: {status['name']} runs {running}, which is not what was pushed",
                    hint="deploy again",
                )
    return Verdict(State.HEALTHY, reason, reason)


def _waiting(key: str, what: str, pods: Sequence[Manifest], progress: str) -> Verdict:
    reasons = [text for pod in pods if (text := _reason(pod))]
    unschedulable = any("Unschedulable" in text for text in reasons)
    shown = f"{key}: {what}" + (f" ({reasons[0]})" if reasons else "")
    states = " ".join(sorted(f"{pod['metadata']['name']}{_reason(pod)}{_is_ready(pod)}" for pod in pods))
    subject = next((_subject(pod, "") for pod in pods if not _is_ready(pod)), key)
    return Verdict(
        State.WAITING,
        shown,
        f"{key} {progress} {states}",
        hint=_HINTS["Unschedulable"] if unschedulable else "",
        subject=subject,
    )


def _pods_of_deployment(live: Manifest, observed: KubernetesObserved) -> list[Manifest]:
    """The pods of the newest ReplicaSet; none while that is not known."""
    uid = live["metadata"].get("uid", "")
    revision = (live["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
    for replica_set in observed.replica_sets:
        own = (replica_set["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
        if owned_by(replica_set, uid) and own == revision:
            set_uid = replica_set["metadata"]["uid"]
            return [
                pod for pod in observed.pods if owned_by(pod, set_uid) and "deletionTimestamp" not in pod["metadata"]
            ]
    return []


def _failed_pod(key: str, pods: Iterable[Manifest], seen: Seen, limits: Limits) -> Verdict | None:
    before = _restarts_before(seen)
    for pod in pods:
        for status in _container_statuses(pod):
            earlier = before.get((pod["metadata"].get("uid", ""), status["name"]), 0)
            if verdict := _failed_container(key, pod, status, earlier, seen, limits):
                return verdict
    return None


def _failed_container(key: str, pod: Manifest, status: Any, earlier: int, seen: Seen, limits: Limits) -> Verdict | None:
    state, name = status.get("state") or {}, pod["metadata"]["name"]
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason", ""))
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    crashes = int(status.get("restartCount", 0)) - earlier + bool((state.get("terminated") or {}).get("exitCode"))
    crashes = max(crashes, 1) if reason == "CrashLoopBackOff" else crashes
    too_many = crashes > limits.restarts_allowed
    subject = _subject(pod, status["name"])
    # Without a baseline nothing was changed, and restarts of the past are not this run's.
    if ended.get("exitCode") and too_many and (seen.baseline is not None or reason == "CrashLoopBackOff"):
        what = f"{key}: {name} exited with {ended['exitCode']} ({ended.get('reason', 'Error')})"
        return Verdict(State.FAILED, what, reason, hint=_exit_hint(ended), subject=subject)
    if reason in _TERMINAL and (reason != "CrashLoopBackOff" or too_many):
        detail = tuple(str(waiting.get("message", "")).splitlines()[:4])
        what = f"{key}: {name} {_TERMINAL[reason]} ({reason})"
        return Verdict(State.FAILED, what, reason, detail, _HINTS.get(reason, ""), subject)
    return None


def _exit_hint(ended: Mapping[str, Any]) -> str:
    if ended.get("reason") == "OOMKilled":
        return "it used more memory than its limit: raise memory:"
    return {
        126: "the command can't be executed: check its mode and the image's platform",
        127: "the command was not found in the image",
        137: "it was killed: out of memory, or too slow to stop",
    }.get(int(ended.get("exitCode", 1)), "the lines above are the last it wrote")


def _restarts_before(seen: Seen) -> dict[tuple[str, str], int]:
    """Restarts that pods had before this run; they are not its doing."""
    baseline = seen.baseline
    pods = baseline.pods if isinstance(baseline, KubernetesObserved) else ()
    return {
        (pod["metadata"].get("uid", ""), status["name"]): int(status.get("restartCount", 0))
        for pod in pods
        for status in _container_statuses(pod)
    }


def _container_statuses(pod: Manifest) -> list[Any]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions)


def _reason(pod: Manifest) -> str:
    """Why a pod is not ready, in a few words; empty when it is."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    for status in _container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting")
        if waiting:
            return str(waiting.get("reason", "waiting"))
    return "" if _is_ready(pod) else "not ready"


def _subject(pod: Manifest, container: str) -> str:
    return f"pod:{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}/{container}"
