"""Pods that a controller can't create: quotas, admission webhooks, missing accounts, policies. Pure.

Source: the condition `ReplicaFailure` and the event `FailedCreate` of the controllers, with the API server's message.
"""

from __future__ import annotations

from shipit.release import Verdict
from shipit.targets.kubernetes.health.case import Case

# Text of the API server -> what to do, in the order in which they are looked for.
_HINTS = (
    ("exceeded quota", "raise the ResourceQuota of the namespace, or ask for less"),
    ("must specify limits", "the ResourceQuota wants requests and limits: set cpu and memory"),
    ("failed calling webhook", "an admission webhook gives no answer: is what serves it running? list them with kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"),
    ("denied the request", "change what the admission webhook or policy refuses"),
    ("serviceaccount", "create the ServiceAccount, or put it in the manifests"),
    ("violates PodSecurity", "change the securityContext, or the PodSecurity level of the namespace"),
    ("no PriorityClass", "create the PriorityClass, or change priorityClassName"),
    ("is forbidden", "change what the policy of the namespace refuses"),
)  # fmt: skip


def judge_creation(case: Case, wanted: int) -> Verdict | None:
    """A failure where the controller can't create the pods that it lacks; None where it can."""
    if len(case.pods) >= wanted or not case.is_steady:
        return None
    failure = case.live.status.condition("ReplicaFailure")
    events = case.events("FailedCreate")
    message = failure.message if failure and failure.status == "True" else events[-1].message if events else ""
    if not message:
        return None
    return case.failed(f"its pods can't be created: {message}", creation_hint(message))


def creation_hint(message: str) -> str:
    return next((hint for text, hint in _HINTS if text in message), "")
