"""Pods that a controller can't create: quotas, admission webhooks, missing accounts, policies. Pure.

Source: the condition `ReplicaFailure` and the event `FailedCreate` of the controllers, with the API server's message.
"""

from __future__ import annotations

from shipit.release import Verdict
from shipit.targets.kubernetes.admission import admission_hint
from shipit.targets.kubernetes.health.case import Case


def judge_creation(case: Case, wanted: int) -> Verdict | None:
    """A failure where the controller can't create the pods that it lacks; None where it can."""
    if len(case.pods) >= wanted or not case.is_steady:
        return None
    failure = case.live.status.condition("ReplicaFailure")
    events = case.events("FailedCreate")
    message = failure.message if failure and failure.status == "True" else events[-1].message if events else ""
    if not message:
        return None
    return case.failed(f"its pods can't be created: {message}", admission_hint(message))
