"""What a deploy would ask the API server for, and whether it may.

Source: Kubernetes API, authorization.k8s.io/v1 SelfSubjectAccessReview.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shipit.release import Finding


class Access(NamedTuple):
    """Verbs on one resource of one namespace; `namespace` is empty for what belongs to the cluster."""

    group: str
    resource: str
    namespace: str
    verbs: tuple[str, ...]

    @property
    def title(self) -> str:
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{name} in namespace {self.namespace}" if self.namespace else name


WRITE = ("get", "create", "patch")


def needed_access(
    kinds: Iterable[tuple[str, str, str]], namespace: str, *, has_secret: bool, has_job: bool, replaces_pods: bool
) -> list[Access]:
    """What is needed to apply objects of these (group, resource, namespace) and to watch them. Pure."""
    wanted = {(group, resource, place): set(WRITE) for group, resource, place in kinds}
    if has_secret:
        wanted.setdefault(("", "secrets", namespace), set()).update(WRITE)
    if has_job:
        wanted.setdefault(("batch", "jobs", namespace), set()).update((*WRITE, "list", "delete"))
    wanted.setdefault(("", "pods", namespace), set()).update(("list", "delete") if replaces_pods else ("list",))
    wanted.setdefault(("apps", "replicasets", namespace), set()).add("list")
    wanted.setdefault(("", "pods/log", namespace), set()).add("get")
    return [Access(*key, tuple(sorted(verbs))) for key, verbs in sorted(wanted.items())]


def judge_access(answers: Mapping[Access, tuple[str, ...]], who: str) -> list[Finding]:
    """Findings for what was asked: access -> the verbs that are refused. Pure."""
    refused = [(access, verbs) for access, verbs in answers.items() if verbs]
    if not refused:
        return [Finding("ok", "", f"{who} may do all that a deploy does there")]
    return [
        Finding("failure", "", f"{who} may not {', '.join(verbs)} {access.title}", "ask for a Role with these verbs")
        for access, verbs in refused
    ]
