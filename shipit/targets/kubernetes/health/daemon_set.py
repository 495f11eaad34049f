"""DaemonSets. Pure. Source: Kubernetes concepts, "DaemonSet", "Perform a Rolling Update"; the rules of kstatus."""

from __future__ import annotations

from collections.abc import Sequence

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.progress import waiting_for_pods
from shipit.targets.kubernetes.health.workload import judge_pods, outdated, ready
from shipit.targets.kubernetes.live import Live, Pod

_TEMPLATE, _GENERATION = "deprecated.daemonset.template.generation", "pod-template-generation"


def current_pods(live: Live, pods: Sequence[Pod]) -> list[Pod]:
    """The pods of the newest template, by the generation that the controller notes on both."""
    newest = live.meta.annotations.get(_TEMPLATE)
    return [pod for pod in pods if not newest or pod.meta.labels.get(_GENERATION, newest) == newest]


def judge_daemon_set(case: Case) -> Verdict:
    if waiting := case.not_observed():
        return waiting
    live = case.live
    if failure := judge_pods(case, case.pods if live.spec.on_delete else current_pods(live, case.pods)):
        return failure
    status, wanted = live.status, live.wanted_pods
    if min(status.ready, status.available) >= wanted and (status.updated >= wanted or live.spec.on_delete):
        none = () if wanted else (f"{case.key} has no pods: no node matches it",)
        verdict = ready(case, status.ready, outdated(case) if live.spec.on_delete else ())
        return verdict._replace(warnings=none) if none else verdict
    what = f"{status.updated} of {wanted} updated, {status.ready} ready"
    return waiting_for_pods(case, what, f"{status.updated} {status.ready} {status.available}")
