"""The first failure among the pods of a workload. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shipit.release import Seen, Verdict
from shipit.targets.kubernetes.health.crashes import judge_crash
from shipit.targets.kubernetes.health.pod_case import PodCase
from shipit.targets.kubernetes.health.scheduling import judge_place
from shipit.targets.kubernetes.health.starting import judge_mounts, judge_start
from shipit.targets.kubernetes.live import Pod
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.pods import Limits

_ALONE = KubernetesObserved({})


def judge_failed(
    key: str,
    pods: Iterable[Pod],
    seen: Seen,
    limits: Limits,
    observed: KubernetesObserved = _ALONE,
    *,
    may_crash: bool = False,
) -> Verdict | None:
    """A failure for the first container that will not recover; None where there is none.

    `observed` explains it by events. With `may_crash` what owns the pods counts their failures itself, as a Job does.
    """
    before = _restarts_before(seen)
    for pod in pods:
        case = PodCase(key, pod, observed, seen, limits, before)
        for container in pod.containers:
            crash = None if may_crash else judge_crash(case, container)
            if verdict := crash or judge_start(case, container):
                return verdict
        if verdict := judge_place(case) or judge_mounts(case):
            return verdict
    return None


def _restarts_before(seen: Seen) -> Mapping[tuple[str, str], int]:
    """(uid of the pod, container) -> restarts before this run."""
    baseline = seen.baseline
    pods = baseline.pods if isinstance(baseline, KubernetesObserved) else ()
    return {(pod.meta.uid, container.name): container.restarts for pod in pods for container in pod.containers}
