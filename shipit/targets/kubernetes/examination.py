"""What the user of a context may do in the namespace of a target, asked before a deploy and by `shipit doctor`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from shipit.errors import RemoteError
from shipit.http.skew import judge_skew
from shipit.release import Finding
from shipit.targets.kubernetes.access import (
    LOCK,
    REMOVE,
    WRITE,
    Access,
    judge_access,
    judge_lock,
    judge_records,
    needed_access,
    not_covered,
)
from shipit.targets.kubernetes.client import KubernetesClient, UnknownKind
from shipit.targets.kubernetes.definitions import is_defined
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.rights import refused, rules, user_name


def check_access(desired: Desired, client: KubernetesClient, who: str, where: str) -> None:
    """Check that objects may be applied here, and a release command started. `who` names the user. Raises: RemoteError."""
    namespace = desired.namespace
    kinds = sorted(_resources(desired, client))
    wanted = [Access(*kind, ("patch",)) for kind in kinds if kind[2] == namespace]
    wanted.append(Access("", "configmaps", namespace, ("patch",)))
    if desired.project.release is not None:
        wanted.append(Access("batch", "jobs", namespace, ("create",)))
    if desired.secret_names or desired.config.pull_secret:
        wanted.append(Access("", "secrets", namespace, ("patch",)))
    # The rules may not be all there are: what they do not cover is asked for one by one.
    answers = {access: refused(client, *access) for access in not_covered(rules(client, namespace), wanted)}
    if missing := [f"{', '.join(verbs)} {access.title}" for access, verbs in answers.items() if verbs]:
        what = f"{who} may not {'; '.join(missing)}"
        raise RemoteError(what, where=where, hint="ask for a Role with these verbs", status=403)


def examine(desired: Desired, client: KubernetesClient, context: str, who: str) -> Sequence[Finding]:
    """Who the user is, which `who` names, whether it may do what a deploy does, and how far the cluster's clock is."""
    config, namespace = desired.config, desired.namespace
    wanted = needed_access(
        _resources(desired, client),
        namespace,
        has_secret=bool(desired.secret_names) or config.pull_secret,
        has_job=desired.project.release is not None,
        replaces_pods=any(manifest["kind"] == "Pod" for manifest in desired.identities()),
        prunes=config.prune,
        replaces_deployments=any(one.canary or one.has_slots for one in config.workloads.values()),
        asks_pods=any(one.asks_pods for one in config.workloads.values()),
    )
    found = {access: refused(client, *access) for access in wanted}
    records = Access("", "secrets", namespace, tuple(sorted((*WRITE, *REMOVE))))
    lacks = () if records in found else refused(client, *records)
    name = user_name(client)
    signed_in = [Finding("ok", "", f"requests are made as {name}")] if name else []
    skew = judge_skew(f"the cluster of {context}", client.date(), time.time())
    unlocked = judge_lock(refused(client, "coordination.k8s.io", "leases", namespace, LOCK))
    findings = [*judge_access(found, who), *judge_records(namespace, lacks, who)]
    return [*signed_in, *unlocked, *findings, *([skew] if skew else [])]


def _resources(desired: Desired, client: KubernetesClient) -> set[tuple[str, str, str]]:
    """API group, plural and namespace of the objects, without those whose kind this deploy creates."""
    found = set()
    for manifest in desired.identities():
        try:
            found.add(client.resource(manifest, desired.namespace))
        except UnknownKind:
            if not is_defined(manifest, desired.raw):
                raise
    return found
