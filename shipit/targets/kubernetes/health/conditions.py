"""Objects whose status says by conditions how they are: custom resources, and kinds of the cluster without rules of their own. Pure.

Source: the rules of kstatus (sigs.k8s.io/cli-utils): the generation first, then Reconciling and Stalled, then Ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case
from shipit.targets.kubernetes.live import Condition, Live
from shipit.targets.kubernetes.objects import status_of
from shipit.targets.kubernetes.one_line import one_line


def conditions_of(part: Any) -> dict[str, Condition]:
    """Type -> condition, of a status of any shape."""
    rows = part.get("conditions") if isinstance(part, Mapping) else None
    found = [row for row in (rows if isinstance(rows, list) else []) if isinstance(row, Mapping)]
    texts = ("type", "status", "reason", "message")
    return {str(row.get("type")): Condition(*(str(row.get(key) or "") for key in texts)) for row in found}


def said(condition: Condition) -> str:
    """Why a condition is as it is."""
    return one_line(condition.message or condition.reason or f"{condition.type} is {condition.status}")


def is_observed(live: Live) -> bool:
    """Whether the controller has seen the last change; so too where it does not tell."""
    observed = status_of(live.manifest).get("observedGeneration")
    return not isinstance(observed, int) or observed >= live.meta.generation


def judge_conditions(case: Case) -> Verdict:
    if not is_observed(case.live):
        return case.waiting("not yet observed by its controller", str(case.live.meta.generation))
    found = conditions_of(status_of(case.live.manifest))
    stalled, reconciling, ready = found.get("Stalled"), found.get("Reconciling"), found.get("Ready")
    if stalled and stalled.status == "True":
        return case.failed(f"it can't go on: {said(stalled)}")
    if reconciling and reconciling.status == "True":
        return case.waiting(f"being reconciled: {said(reconciling)}", reconciling.reason)
    if ready and ready.status != "True":
        return case.waiting(f"not ready: {said(ready)}", f"{ready.status} {ready.reason}")
    return case.healthy("is ready" if ready else "")
