"""StatefulSets: partitions, OnDelete, and pods of the revision before. Pure.

Source: Kubernetes concepts, "StatefulSets", Update strategies, Forced rollback; the rules of kstatus.
"""

from __future__ import annotations

from collections.abc import Sequence

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.progress import waiting_for_pods
from shipit.targets.kubernetes.health.workload import judge_pods, outdated, ready
from shipit.targets.kubernetes.live import Live, Pod
from shipit.targets.kubernetes.objects import spec_of, status_of

_REVISION = "controller-revision-hash"


def current_pods(live: Live, pods: Sequence[Pod]) -> list[Pod]:
    """The pods of the newest revision."""
    revision = status_of(live.manifest).get("updateRevision")
    return [pod for pod in pods if not revision or pod.meta.labels.get(_REVISION, revision) == revision]


def judge_stateful_set(case: Case) -> Verdict:
    if waiting := case.not_observed():
        return waiting
    live, current = case.live, current_pods(case.live, case.pods)
    if failure := judge_pods(case, case.pods if live.spec.on_delete else current) if current or not case.pods else None:
        return failure
    status, wanted = live.status, live.wanted_pods
    updated = 0 if live.spec.on_delete else max(0, wanted - _partition(live))
    up = min(status.ready, status.available) if spec_of(live.manifest).get("minReadySeconds") else status.ready
    if up >= wanted and status.updated >= updated and status.replicas <= wanted:
        return ready(case, status.ready, outdated(case) if live.spec.on_delete else ())
    more = f", {status.replicas - wanted} to be removed" if status.replicas > wanted else ""
    what = f"{status.updated} of {updated} updated, {status.ready} of {wanted} ready{more}"
    blocking = _blocking(case, current)
    waiting = waiting_for_pods(case, what, f"{status.updated} {status.ready} {status.replicas}", stuck=blocking)
    if blocking:
        name, namespace = blocking.meta.name, blocking.meta.namespace
        hint = f"{name} is of the revision before, and has to be ready first: kubectl -n {namespace} delete pod {name}"
        return waiting._replace(hint=hint)
    return waiting


def _blocking(case: Case, current: Sequence[Pod]) -> Pod | None:
    """A pod of an older revision that is not ready: a StatefulSet waits for it before it replaces it."""
    return next((pod for pod in case.pods if pod not in current and not pod.is_ready), None)


def _partition(live: Live) -> int:
    strategy = spec_of(live.manifest).get("updateStrategy")
    rolling = strategy.get("rollingUpdate") if isinstance(strategy, dict) else None
    partition = rolling.get("partition") if isinstance(rolling, dict) else 0
    return partition if isinstance(partition, int) else 0
