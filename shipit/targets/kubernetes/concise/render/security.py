"""What the containers of a workload may do. Pure.

Source: Kubernetes documentation, "Pod Security Standards", level restricted; Kubernetes API reference, v1 PodSecurityContext and
SecurityContext.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.security import SecurityConfig
from shipit.targets.kubernetes.render import Manifest


def pod_security(security: SecurityConfig | None) -> Manifest:
    if security is None:
        return {}
    rows: Manifest = {
        "runAsNonRoot": None if security.root else True,
        "runAsUser": security.user,
        "runAsGroup": security.group,
        "fsGroup": security.group,
        "seccompProfile": None if security.unconfined else {"type": "RuntimeDefault"},
    }
    context = {key: value for key, value in rows.items() if value is not None}
    return {"securityContext": context} if context else {}


def container_security(security: SecurityConfig | None) -> Manifest:
    if security is None:
        return {}
    kept = {"add": list(security.capabilities)} if security.capabilities else {}
    context: Manifest = {"capabilities": {"drop": ["ALL"], **kept}}
    if not security.escalation:
        context["allowPrivilegeEscalation"] = False
    if not security.writable:
        context["readOnlyRootFilesystem"] = True
    return {"securityContext": context}
