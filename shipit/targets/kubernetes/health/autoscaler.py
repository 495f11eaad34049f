"""HorizontalPodAutoscalers and PodDisruptionBudgets: what hinders them is a warning, since the pods run. Pure.

Source: Kubernetes concepts, "Horizontal Pod Autoscaling", Support for status conditions; "Pod disruption budgets".
"""

from __future__ import annotations

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.health.conditions import conditions_of, is_observed, said
from shipit.targets.kubernetes.objects import status_of


def judge_autoscaler(case: Case) -> Verdict:
    able = conditions_of(status_of(case.live.manifest)).get("AbleToScale")
    # Metrics of new pods come later, so their absence says nothing yet.
    is_stuck = able is not None and able.status == "False" and able.reason == "FailedGetScale"
    return case.healthy(warnings=(f"{case.key} can't scale: {said(able)}",) if able and is_stuck else ())


def judge_budget(case: Case) -> Verdict:
    if not is_observed(case.live):
        return case.waiting("not yet observed by its controller", str(case.live.meta.generation))
    allowed = conditions_of(status_of(case.live.manifest)).get("DisruptionAllowed")
    is_stuck = allowed is not None and allowed.reason == "SyncFailed"
    return case.healthy(warnings=(f"{case.key} protects no pods: {said(allowed)}",) if allowed and is_stuck else ())
