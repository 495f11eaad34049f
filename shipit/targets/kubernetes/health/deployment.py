"""Deployments. Pure. Source: Kubernetes concepts, "Deployments"; the rules of kstatus."""

from __future__ import annotations

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.progress import waiting_for_pods
from shipit.targets.kubernetes.health.workload import judge_pods, ready
from shipit.targets.kubernetes.objects import spec_of


def judge_deployment(case: Case) -> Verdict:
    if waiting := case.not_observed():
        return waiting
    if failure := judge_pods(case):
        return failure
    status, wanted = case.live.status, case.live.wanted_pods
    is_paused = spec_of(case.live.manifest).get("paused") is True
    if status.updated >= wanted and status.available >= wanted and status.replicas <= wanted:
        return ready(case, status.available, (f"{case.key} is paused",) if is_paused else ())
    old, more = status.replicas - status.updated, status.updated - wanted
    # A paused Deployment is scaled, but not rolled out.
    if is_paused and more <= 0:
        what = f"it is paused: {status.updated} of {wanted} updated"
        return case.failed(what, f"kubectl rollout resume {case.kubectl_name}, or remove paused: true")
    what = f"{status.updated} of {wanted} updated, {status.available} available" + (f", {old} old" if old > 0 else "")
    what += f", {more} to be removed" if more > 0 else ""
    waiting = waiting_for_pods(case, what, f"{status.updated} {status.available} {status.replicas}")
    progressing = status.condition("Progressing")
    if progressing and progressing.reason == "ProgressDeadlineExceeded":
        late = case.failed(f"its progress deadline passed: {waiting.reason.removeprefix(f'{case.key}: ')}")
        return late._replace(hint=waiting.hint, subject=waiting.subject)
    return waiting
