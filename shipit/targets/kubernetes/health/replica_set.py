"""ReplicaSets and ReplicationControllers: a change of their template makes no pod new. Pure."""

from __future__ import annotations

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.progress import waiting_for_pods
from shipit.targets.kubernetes.health.workload import judge_pods, outdated, ready


def judge_replica_set(case: Case) -> Verdict:
    if waiting := case.not_observed():
        return waiting
    if failure := judge_pods(case):
        return failure
    status, wanted = case.live.status, case.live.wanted_pods
    if status.replicas == wanted and min(status.available, status.ready) >= wanted:
        return ready(case, status.ready, outdated(case))
    what = f"{status.available} of {wanted} available" + (
        f", {status.replicas} there" if status.replicas > wanted else ""
    )
    return waiting_for_pods(case, what, f"{status.replicas} {status.available}")
