"""Which objects of a cluster are those that a target applies. Pure."""

from __future__ import annotations

from collections.abc import Callable

from shipit.targets.kubernetes.applyset import group_kind
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.plan_secrets import previous_name


def is_member(desired: Desired) -> Callable[[str, str, str], bool]:
    """Whether an object is one that the target applies, by `Kind.group`, namespace and name.

    The copy of a Secret is one as long as the Secret is. The Secret of the env's secrets is none: its name depends on
    their values.
    """
    wanted = {
        (
            group_kind(item["apiVersion"], item["kind"]),
            item["metadata"].get("namespace") or desired.namespace,
            item["metadata"]["name"],
        )
        for item in desired.members()
        if (item["kind"], item["metadata"]["name"]) != ("Secret", desired.secret_key)
    }
    wanted |= {(kind, place, previous_name(name)) for kind, place, name in wanted if kind == "Secret"}
    # The objects of the whole cluster have no namespace, whatever the manifest says.
    wanted |= {(kind, "", name) for kind, _, name in wanted}

    def is_wanted(kind: str, namespace: str, name: str) -> bool:
        is_job = kind == "Job.batch" and namespace == desired.namespace and name.startswith(desired.job_prefix)
        return (kind, namespace, name) in wanted or (is_job and desired.project.release is not None)

    return is_wanted
