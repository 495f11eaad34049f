"""What the containers of a workload may do. Pure.

Source: Kubernetes documentation, "Pod Security Standards", level restricted; Kubernetes API reference, v1 PodSecurityContext and
SecurityContext.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from shipit.targets.kubernetes.concise.image_user import is_numbered, is_root
from shipit.targets.kubernetes.concise.security import SecurityConfig
from shipit.targets.kubernetes.objects import containers_of, spec_of, template_of
from shipit.targets.kubernetes.render import Manifest


def pod_security(security: SecurityConfig) -> Manifest:
    """The securityContext of a pod: it holds for every container, whatever its image."""
    is_checked = security.root is False or (security.root is None and security.user is not None)
    rows: Manifest = {
        "runAsNonRoot": True if is_checked else None,
        "runAsUser": security.user,
        "runAsGroup": security.group,
        "fsGroup": security.group,
        "seccompProfile": None if security.unconfined else {"type": "RuntimeDefault"},
    }
    context = {key: value for key, value in rows.items() if value is not None}
    return {"securityContext": context} if context else {}


def container_security(security: SecurityConfig, image_user: str) -> Manifest:
    """The securityContext of a container, by the user of its image. A user with a name is not checked: the kubelet would start no such container."""
    context: Manifest = {}
    if not runs_as_root(security, image_user) or security.capabilities is not None:
        kept = {"add": list(security.capabilities)} if security.capabilities else {}
        context["capabilities"] = {"drop": ["ALL"], **kept}
    if not security.escalation:
        context["allowPrivilegeEscalation"] = False
    if security.writable is False:
        context["readOnlyRootFilesystem"] = True
    if security.root is None and security.user is None and is_numbered(image_user) and not is_root(image_user):
        context["runAsNonRoot"] = True
    return {"securityContext": context} if context else {}


def runs_as_root(security: SecurityConfig, image_user: str) -> bool:
    """True when a container may be root: as deploy.yml says, or else as its image does."""
    if security.root is not None:
        return security.root
    return security.user is None and is_root(image_user)


def without_contradictions(manifest: Manifest) -> Manifest:
    """A patched object, without our defaults that a patch contradicts: `privileged` with allowPrivilegeEscalation: false, which the API
    server refuses, and the user 0 with runAsNonRoot, which the kubelet does not start.
    """
    if not any(_contradicted(own, manifest) for own in _all_containers(manifest)):
        return manifest
    # The values of a JSON Patch are those of deploy.yml.
    out = deepcopy(manifest)
    for own in _all_containers(out):
        for key in _contradicted(own, out):
            del own["securityContext"][key]
    return out


def _all_containers(manifest: Manifest) -> list[dict[str, Any]]:
    return [*containers_of(manifest), *containers_of(manifest, "initContainers")]


def _contradicted(container: dict[str, Any], manifest: Manifest) -> list[str]:
    """The keys of the securityContext of a container that do not go together with what a patch set."""
    context, pod = (own.get("securityContext") for own in (container, spec_of(template_of(manifest))))
    if not isinstance(context, dict):
        return []
    user = context.get("runAsUser", pod.get("runAsUser") if isinstance(pod, dict) else None)
    found = {
        "allowPrivilegeEscalation": context.get("privileged") is True
        and context.get("allowPrivilegeEscalation") is False,
        "runAsNonRoot": user == 0 and context.get("runAsNonRoot") is True,
    }
    return [key for key, is_contradicted in found.items() if is_contradicted]
