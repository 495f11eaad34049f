"""The pods of a workload: those that its objects own, directly or through a ReplicaSet or a Job.

Source: Kubernetes concepts, "Garbage collection" (owners), "Labels and Selectors"; API reference of each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.live import Meta, Pod
from shipit.targets.kubernetes.parse import parse_meta, parse_pod

# Kind -> API and plural.
_APIS = {
    "Deployment": ("apis/apps/v1", "deployments"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "DaemonSet": ("apis/apps/v1", "daemonsets"),
    "ReplicaSet": ("apis/apps/v1", "replicasets"),
    "ReplicationController": ("api/v1", "replicationcontrollers"),
    "Job": ("apis/batch/v1", "jobs"),
    "CronJob": ("apis/batch/v1", "cronjobs"),
}


class Owner(NamedTuple):
    """An object of deploy.yml that has pods."""

    kind: str
    name: str
    namespace: str


class _Found(NamedTuple):
    """How the pods of an owner are found: by a label selector, then by the uids that own them; all of them without uids."""

    selector: str
    uids: frozenset[str] | None


class WorkloadPods:
    """Reads the pods of one owner, again and again. Who owns them is read again when a pod has an owner that is not known."""

    def __init__(self, client: KubernetesClient, owner: Owner) -> None:
        self.client, self.owner = client, owner
        self._found: _Found | None = None
        self._others: frozenset[str] = frozenset()

    def read(self) -> list[Pod]:
        """The pods as they are now. Raises: RemoteError, with 404 when the owner is not there."""
        if self.owner.kind == "Pod":
            pods = self._listed(fields=f"metadata.name={self.owner.name}")
            if not pods:
                raise _missing(self.owner)
            return pods
        known, pods = self._pods() if self._found else (frozenset(), [])
        if not pods or any(not pod.meta.owners <= known for pod in pods):
            self._found = _find(self.client, self.owner)
            known, pods = self._pods()
            self._others = frozenset(uid for pod in pods for uid in pod.meta.owners) - known
        uids = self._found.uids if self._found else frozenset()
        return [pod for pod in pods if uids is None or pod.meta.owners & uids]

    def _pods(self) -> tuple[frozenset[str], list[Pod]]:
        """The uids whose pods need no second look, and the pods that have the labels."""
        assert self._found is not None
        if self._found.uids is not None and not self._found.uids:
            return self._others, []
        return (self._found.uids or frozenset()) | self._others, self._listed(selector=self._found.selector)

    def _listed(self, selector: str = "", fields: str = "") -> list[Pod]:
        return self.client.listed("api/v1", "pods", self.owner.namespace, parse_pod, selector, fields)


def _find(client: KubernetesClient, owner: Owner) -> _Found:
    api, plural = _APIS[owner.kind]
    objects = client.listed(api, plural, owner.namespace, _parsed, fields=f"metadata.name={owner.name}")
    if not objects:
        raise _missing(owner)
    meta, selector = objects[0]
    if owner.kind == "Deployment":
        return _Found(selector, _owned(client.listed(api, "replicasets", owner.namespace, _parsed, selector), meta.uid))
    if owner.kind == "CronJob":
        jobs = [row for row in client.listed(api, "jobs", owner.namespace, _parsed) if meta.uid in row[0].owners]
        names = ",".join(sorted(job.name for job, _ in jobs))
        return _Found(f"job-name in ({names})", _owned(jobs, meta.uid))
    return _Found(selector, frozenset([meta.uid]))


def _owned(rows: Iterable[tuple[Meta, str]], uid: str) -> frozenset[str]:
    return frozenset(meta.uid for meta, _ in rows if uid in meta.owners)


def _parsed(part: Field) -> tuple[Meta, str]:
    """The metadata of an object, and its selector as a label selector: that of a ReplicationController has the labels only."""
    selector = part["spec"]["selector"]
    labels = selector["matchLabels"]
    is_plain = labels.is_missing and selector["matchExpressions"].is_missing
    return parse_meta(part["metadata"]), label_selector((selector if is_plain else labels).texts())


def label_selector(labels: Mapping[str, Any]) -> str:
    """The label selector of a request for objects with these labels."""
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _missing(owner: Owner) -> RemoteError:
    what = f"{owner.kind}/{owner.name} is not in the namespace {owner.namespace}"
    return RemoteError(what, hint="shipit deploy creates it", status=404)
