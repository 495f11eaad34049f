"""Reading what still uses a ConfigMap or Secret: pods, and the revisions that a workload can be rolled back to.

Source: Kubernetes API reference, apps/v1 ReplicaSet and ControllerRevision, v1 Pod.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.parallel import settle
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.objects import spec_of, template_of
from shipit.targets.kubernetes.uses import used_by

_OVER = ("Succeeded", "Failed")


def names_in_use(
    client: KubernetesClient, namespace: str, clock: Clock, *, has_revisions: bool
) -> frozenset[str] | None:
    """`ConfigMap/name` and `Secret/name` of what pods and revisions in a namespace use; None where this user may not see them.

    `has_revisions`: whether StatefulSets or DaemonSets are deployed, which keep ControllerRevisions.
    """
    lists: dict[str, tuple[str, Callable[[Field], frozenset[str]]]] = {
        "pods": ("api/v1", _of_pod),
        "replicasets": ("apis/apps/v1", _of_replica_set),
        **({"controllerrevisions": ("apis/apps/v1", _of_revision)} if has_revisions else {}),
    }
    calls = {plural: partial(client.listed, api, plural, namespace, parse) for plural, (api, parse) in lists.items()}
    used: set[str] = set()
    for found in settle(calls, clock).values():
        if isinstance(found, RemoteError) and found.status in (403, 404):
            return None
        if isinstance(found, Exception):
            raise found
        used.update(name for names in found for name in names)
    return frozenset(used)


def _of_pod(part: Field) -> frozenset[str]:
    is_over = part["status"]["phase"].text() in _OVER
    return frozenset() if is_over else used_by(part["spec"].map())


def _of_replica_set(part: Field) -> frozenset[str]:
    return used_by(part["spec"]["template"]["spec"].map())


def _of_revision(part: Field) -> frozenset[str]:
    """A revision holds the part of its workload that is restored: the pod template."""
    return used_by(spec_of(template_of(dict(part["data"].map()))))
