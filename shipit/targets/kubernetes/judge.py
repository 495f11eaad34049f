"""The health of a namespace, against what this run wanted. Pure.

Source: Kubernetes concepts, "Deployment status", "StatefulSets", "DaemonSet".
"""

from __future__ import annotations

from collections.abc import Sequence

from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.live import Live, Pod
from shipit.targets.kubernetes.objects import container_images
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.patience import patience_s
from shipit.targets.kubernetes.plan import job_state
from shipit.targets.kubernetes.pods import (
    Limits,
    judge_failed,
    judge_images,
    pods_of,
    pods_of_deployment,
    subject,
    waiting,
)
from shipit.targets.kubernetes.serving import judge_serving
from shipit.targets.kubernetes.superseded import Released, judge_change, judge_values


def judge_kubernetes(released: Released, observed: KubernetesObserved, seen: Seen, limits: Limits) -> Verdict:
    """The worst of the verdicts on each object: failed before waiting before healthy."""
    verdicts = [
        in_time(*_judge_object(key, released, observed, seen, limits), seen, limits) for key in released.objects
    ]
    if released.secrets:
        found = judge_values(released.secret_key, released.secrets, observed.secret_marks, observed.secret)
        verdicts += [found] if found else []
    if all(verdict.state is State.HEALTHY for verdict in verdicts):
        verdicts += [in_time(verdict, 0, seen, limits) for verdict in judge_serving(observed)]
    return worst_of(verdicts)


def worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict of many: failed before waiting before healthy."""
    for state in (State.FAILED, State.WAITING):
        if found_all := [verdict for verdict in verdicts if verdict.state is state]:
            return _worst(found_all, verdicts)
    reasons = [verdict.reason for verdict in verdicts if verdict.reason]
    warnings = tuple(warning for verdict in verdicts for warning in verdict.warnings)
    return Verdict(State.HEALTHY, ", ".join(reasons) or "applied", _progress(verdicts), warnings=warnings)


def in_time(verdict: Verdict, patience_s: float, seen: Seen, limits: Limits) -> Verdict:
    """The same verdict; a failure where it has been waiting for longer than `pending` and what its probes take."""
    if verdict.state is not State.WAITING or seen.unchanged_s <= limits.pending_s + patience_s:
        return verdict
    return verdict._replace(state=State.FAILED, reason=f"{verdict.reason}: no progress for {seen.unchanged_s:.0f} s")


def _worst(found: Sequence[Verdict], verdicts: Sequence[Verdict]) -> Verdict:
    first = found[0]
    if first.state is State.FAILED:
        return first._replace(progress=_progress(verdicts))
    reason = "; ".join(verdict.reason for verdict in found[:3])
    parts = tuple(verdict.reason for verdict in found)
    return first._replace(reason=reason, progress=_progress(verdicts), parts=parts)


def _progress(verdicts: Sequence[Verdict]) -> str:
    return "|".join(verdict.progress for verdict in verdicts)


def _judge_object(
    key: str, released: Released, observed: KubernetesObserved, seen: Seen, limits: Limits
) -> tuple[Verdict, float]:
    """The verdict on an object, and its patience in seconds."""
    live, wanted = observed.objects.get(key), released.objects[key]
    if live is None:
        return Verdict(State.FAILED, f"{key} is gone", hint="deploy again"), 0
    if live.meta.is_deleting:
        waits = f", and waits for {', '.join(live.meta.finalizers)}" if live.meta.finalizers else ""
        return Verdict(State.FAILED, f"{key} is being deleted{waits}", hint="deploy again when it is gone"), 0
    if changed := judge_change(key, wanted, live, released.known.get(key, ())):
        return changed, 0
    verdict, pods = judge_kind(key, live, observed, seen, limits)
    if verdict.state is State.HEALTHY and pods:
        return judge_images(key, pods, container_images(wanted), released.digests) or verdict, 0
    return verdict, patience_s(live, pods)


def judge_kind(
    key: str, live: Live, observed: KubernetesObserved, seen: Seen, limits: Limits
) -> tuple[Verdict, Sequence[Pod]]:
    """The verdict on an object by its kind, and its pods."""
    if live.kind == "Deployment":
        pods = pods_of_deployment(live, observed)
        return _judge_deployment(key, live, pods, seen, limits), pods
    if live.kind in ("StatefulSet", "DaemonSet"):
        pods = pods_of(live.meta.uid, observed)
        verdict = _judge_set(key, live, pods, seen, limits)
        return verdict, () if live.spec.on_delete and verdict.state is State.HEALTHY else pods
    if live.pod is not None:
        return _judge_bare_pod(key, live.pod, seen, limits), [live.pod]
    if live.kind == "Job":
        state = job_state(live)
        if state == "failed":
            return Verdict(State.FAILED, f"{key} failed", subject=key), ()
        if state == "succeeded":
            return Verdict(State.HEALTHY, f"{key} succeeded", f"{key} succeeded"), ()
        pods = pods_of(live.meta.uid, observed)
        return waiting(key, "running", pods, state), pods
    return Verdict(State.HEALTHY, ""), ()


def _judge_deployment(key: str, live: Live, pods: Sequence[Pod], seen: Seen, limits: Limits) -> Verdict:
    status = live.status
    if status.observed_generation < live.meta.generation:
        return _not_observed(key, live)
    if failure := judge_failed(key, pods, seen, limits):
        return failure
    failed, progressing = status.condition("ReplicaFailure"), status.condition("Progressing")
    if failed and failed.status == "True":
        return Verdict(State.FAILED, f"{key}: {failed.message or 'pods can not be created'}", subject=key)
    if progressing and progressing.reason == "ProgressDeadlineExceeded":
        return Verdict(State.FAILED, f"{key}: its progress deadline passed", subject=key)
    wanted = live.wanted_pods
    if status.updated >= wanted and status.available >= wanted and status.replicas <= status.updated:
        return _healthy(key, f"{status.available}/{wanted} ready", wanted)
    old = status.replicas - status.updated
    what = f"{status.updated} of {wanted} updated, {status.available} available" + (f", {old} old" if old > 0 else "")
    return waiting(key, what, pods, f"{status.updated} {status.available} {status.replicas}")


def _judge_set(key: str, live: Live, pods: Sequence[Pod], seen: Seen, limits: Limits) -> Verdict:
    status = live.status
    if status.observed_generation < live.meta.generation:
        return _not_observed(key, live)
    if failure := judge_failed(key, pods, seen, limits):
        return failure
    wanted = live.wanted_pods
    if status.ready >= wanted and (status.updated >= wanted or live.spec.on_delete):
        return _healthy(key, f"{status.ready}/{wanted} ready", wanted)
    what = f"{status.updated} of {wanted} updated, {status.ready} ready"
    return waiting(key, what, pods, f"{status.updated} {status.ready}")


def _judge_bare_pod(key: str, pod: Pod, seen: Seen, limits: Limits) -> Verdict:
    if pod.phase == "Succeeded":
        return Verdict(State.HEALTHY, f"{key} succeeded", pod.phase)
    if failure := judge_failed(key, [pod], seen, limits):
        return failure
    if pod.phase == "Failed":
        return Verdict(State.FAILED, f"{key} failed", pod.phase, subject=subject(pod))
    if pod.phase == "Running" and pod.is_ready:
        return _healthy(key, "ready", 1)
    return waiting(key, pod.phase.lower(), [pod], pod.phase)


def _not_observed(key: str, live: Live) -> Verdict:
    return Verdict(State.WAITING, f"{key}: not yet observed by its controller", f"{key} {live.meta.generation}")


def _healthy(key: str, what: str, wanted: int) -> Verdict:
    warnings = () if wanted else (f"{key} has no pods: it is scaled to 0",)
    return Verdict(State.HEALTHY, f"{key} {what}", f"{key} {what}", warnings=warnings)
