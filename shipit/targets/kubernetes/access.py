"""The permissions that a deploy needs, and those that are missing. Pure.

Source: Kubernetes API, authorization.k8s.io/v1 SelfSubjectAccessReview, SelfSubjectRulesReview.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shipit.release import Finding


class Access(NamedTuple):
    """Verbs on one resource of one namespace; `namespace` is empty for cluster-scoped resources."""

    group: str
    resource: str
    namespace: str
    verbs: tuple[str, ...]

    @property
    def title(self) -> str:
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{name} in namespace {self.namespace}" if self.namespace else name


WRITE = ("get", "create", "patch")
# What left deploy.yml is found by a list, and deleted.
REMOVE = ("list", "delete")
# A lock is read, taken, renewed and given back.
LOCK = ("get", "create", "patch", "delete")


def needed_access(
    kinds: Iterable[tuple[str, str, str]],
    namespace: str,
    *,
    has_secret: bool,
    has_job: bool,
    replaces_pods: bool,
    prunes: bool,
    replaces_deployments: bool = False,
    asks_pods: bool = False,
) -> list[Access]:
    """The permissions to apply objects of these (group, resource, namespace), to watch them, and to remove them.

    `replaces_deployments`: canaries and earlier versions are removed also without `prunes`; `asks_pods` for a path.
    """
    each = (*WRITE, *REMOVE) if prunes else WRITE
    wanted = {(group, resource, place): set(each) for group, resource, place in kinds}
    # The parent of the ApplySet.
    wanted.setdefault(("", "configmaps", namespace), set()).update(WRITE)
    if has_secret:
        wanted.setdefault(("", "secrets", namespace), set()).update(each)
    if has_job:
        wanted.setdefault(("batch", "jobs", namespace), set()).update((*WRITE, "list", "delete"))
    wanted.setdefault(("", "pods", namespace), set()).update(("list", "delete") if replaces_pods else ("list",))
    wanted.setdefault(("apps", "replicasets", namespace), set()).add("list")
    if replaces_deployments:
        wanted.setdefault(("apps", "deployments", namespace), set()).update((*WRITE, *REMOVE))
    if asks_pods:
        wanted.setdefault(("", "pods/proxy", namespace), set()).add("get")
    wanted.setdefault(("", "pods/log", namespace), set()).add("get")
    return [Access(*key, tuple(sorted(verbs))) for key, verbs in sorted(wanted.items())]


def judge_access(answers: Mapping[Access, tuple[str, ...]], who: str) -> list[Finding]:
    """Findings from the answers: access -> the refused verbs."""
    refused = [(access, verbs) for access, verbs in answers.items() if verbs]
    if not refused:
        return [Finding("ok", "", f"{who} has every permission that a deploy needs")]
    return [
        Finding("failure", "", f"{who} may not {', '.join(verbs)} {access.title}", "ask for a Role with these verbs")
        for access, verbs in refused
    ]


def judge_records(namespace: str, verbs: tuple[str, ...], who: str) -> list[Finding]:
    """A warning where releases can't be recorded. `verbs` are those on Secrets that are refused."""
    if not verbs:
        return []
    what = (
        f"{who} may not {', '.join(verbs)} secrets in namespace {namespace}: no release is recorded for shipit rollback"
    )
    return [Finding("warning", "", what, "ask for a Role with these verbs, or do without shipit rollback")]


def judge_lock(verbs: tuple[str, ...]) -> list[Finding]:
    """A warning where a deploy can't lock the target. `verbs` are those on Leases that are refused."""
    if not verbs:
        return []
    what = f"may not {', '.join(verbs)} leases: no lock keeps two deploys from different machines apart"
    return [Finding("warning", "", what, "ask for these verbs: docs/kubernetes-role.yml")]


class Rule(NamedTuple):
    """One rule of a user's permissions: each verb with each resource; `*` is any."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]

    def allows(self, access: Access, verb: str) -> bool:
        """Whether the rule grants a verb on a resource; resourceNames are ignored."""
        pairs = ((self.verbs, verb), (self.groups, access.group), (self.resources, access.resource))
        return all(wanted in allowed or "*" in allowed for allowed, wanted in pairs)


def not_covered(rules: Iterable[Rule], wanted: Iterable[Access]) -> list[Access]:
    """The access that no rule grants, with the missing verbs only."""
    known = tuple(rules)
    left = [
        access._replace(
            verbs=tuple(verb for verb in access.verbs if not any(rule.allows(access, verb) for rule in known))
        )
        for access in wanted
    ]
    return [access for access in left if access.verbs]
