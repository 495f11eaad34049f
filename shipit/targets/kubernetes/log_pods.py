"""The pods of a workload: those that its objects own, directly or through a ReplicaSet or a Job.

Source: Kubernetes concepts, "Garbage collection" (owners), "Labels and Selectors"; API reference of each kind.
"""

from __future__ import annotations

from collections.abc import Mapping
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


class WorkloadPods:
    """Reads the pods of one owner, again and again. Who owns them is read again when a pod has an owner that is not known.

    Pods are listed before what owns them: a ReplicaSet is there before its pods are.
    """

    def __init__(self, client: KubernetesClient, owner: Owner) -> None:
        self.client, self.owner = client, owner
        self._uid = self._selector = ""
        # The uids whose pods are ours, and others that own pods with the same labels.
        self._uids: frozenset[str] = frozenset()
        self._others: frozenset[str] = frozenset()

    def read(self) -> list[Pod]:
        """The pods as they are now. Raises: RemoteError, with 404 when the owner is not there."""
        if self.owner.kind == "Pod":
            return self._itself()
        if self.owner.kind == "CronJob":
            return self._of_jobs()
        is_fresh = not self._uid
        if is_fresh:
            self._uid, self._selector = self._owner()
        pods = self._pods(selector=self._selector)
        owners = frozenset(uid for pod in pods for uid in pod.meta.owners)
        if not pods or owners - self._uids - self._others:
            if not is_fresh:
                # Somebody may have created it anew.
                self._uid, self._selector = self._owner()
            self._uids = self._replica_sets() if self.owner.kind == "Deployment" else frozenset([self._uid])
            self._others = owners - self._uids
        return [pod for pod in pods if pod.meta.owners & self._uids]

    def _itself(self) -> list[Pod]:
        pods = self._pods(fields=f"metadata.name={self.owner.name}")
        if not pods:
            raise _missing(self.owner)
        return pods

    def _of_jobs(self) -> list[Pod]:
        """The pods of the Jobs of a CronJob: a new Job has another name."""
        uid, _ = self._owner()
        jobs = [meta for meta, _ in self._listed("Job") if uid in meta.owners]
        uids = {meta.uid for meta in jobs}
        names = ",".join(sorted(meta.name for meta in jobs))
        pods = self._pods(selector=f"job-name in ({names})") if names else []
        return [pod for pod in pods if pod.meta.owners & uids]

    def _owner(self) -> tuple[str, str]:
        """The uid and the selector of the owner."""
        found = self._listed(self.owner.kind, fields=f"metadata.name={self.owner.name}")
        if not found:
            raise _missing(self.owner)
        [(meta, selector), *_] = found
        return meta.uid, selector

    def _replica_sets(self) -> frozenset[str]:
        rows = self._listed("ReplicaSet", self._selector)
        return frozenset(meta.uid for meta, _ in rows if self._uid in meta.owners)

    def _listed(self, kind: str, selector: str = "", fields: str = "") -> list[tuple[Meta, str]]:
        return self.client.listed(*_APIS[kind], self.owner.namespace, _parsed, selector, fields)

    def _pods(self, selector: str = "", fields: str = "") -> list[Pod]:
        return self.client.listed("api/v1", "pods", self.owner.namespace, parse_pod, selector, fields)


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
