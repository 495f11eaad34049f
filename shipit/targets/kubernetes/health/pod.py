"""Pods without a controller. Pure."""

from __future__ import annotations

from shipit.release import State, Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.failing import judge_failed
from shipit.targets.kubernetes.health.progress import waiting_for_pods
from shipit.targets.kubernetes.objects import status_of
from shipit.targets.kubernetes.pods import subject


def judge_pod(case: Case) -> Verdict:
    pod = case.live.pod
    assert pod is not None
    if pod.phase == "Succeeded":
        return case.healthy("succeeded")
    if failure := judge_failed(case.key, [pod], case.seen, case.limits, case.observed):
        return failure
    if pod.phase == "Failed":
        status = status_of(case.live.manifest)
        why = ": ".join(str(text) for text in (status.get("reason"), status.get("message")) if text)
        what = f"{case.key} failed" + (f": {why}" if why else "")
        return Verdict(State.FAILED, what, pod.phase, subject=subject(pod))
    if pod.phase == "Running" and pod.is_ready:
        return case.healthy("ready")
    return waiting_for_pods(case, pod.phase.lower(), pod.phase)
