"""What to do when admission does not take an object: quotas, webhooks, missing accounts, policies. Pure.

Source: the messages of the API server's admission plugins.
"""

from __future__ import annotations

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


def admission_hint(message: str) -> str:
    """Empty for other messages."""
    return next((hint for text, hint in _HINTS if text in message), "")
