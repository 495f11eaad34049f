"""Reads which versions of ConfigMaps and Secrets are needed still: by pods, by revisions, and by the releases that are kept."""

from __future__ import annotations

from shipit.clock import Clock
from shipit.targets.kubernetes.applyset import ObservedSet
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.users import names_in_use
from shipit.targets.kubernetes.versions import mark_versions


def with_use(found: ObservedSet, desired: Desired, client: KubernetesClient, clock: Clock) -> ObservedSet:
    """The set with the use of its versions, of which every one is marked as used until it is read. Raises: RemoteError."""
    versions = {f"{member.kind}/{member.meta.name}" for member in found.members if member.version}
    if not versions:
        return found
    has_revisions = any(item["kind"] in ("StatefulSet", "DaemonSet") for item in desired.identities())
    used = names_in_use(client, desired.namespace, clock, has_revisions=has_revisions)
    if used is not None and versions - used:
        from shipit.targets.kubernetes.history.store import names_needed

        used |= names_needed(client, desired.namespace, desired.set_id)
    return mark_versions(found, versions, used)
