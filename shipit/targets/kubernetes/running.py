"""The pods of a workload for a command or a connection, the best first: those that it owns, not all that have its labels.

Source: Kubernetes concepts, "Labels and Selectors", "Owners and Dependents", "Deployments" (pod-template-hash label); the
well-known annotation kubectl.kubernetes.io/default-container.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.live import Pod
from shipit.targets.kubernetes.parse import parse_pod
from shipit.targets.kubernetes.render import Manifest

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_OPERATORS = {
    "In": "{key} in ({values})",
    "NotIn": "{key} notin ({values})",
    "Exists": "{key}",
    "DoesNotExist": "!{key}",
}
_HASH = "pod-template-hash"


class Candidate(NamedTuple):
    """A pod, its named ports, and its controller as `Kind/name`."""

    pod: Pod
    ports: Mapping[str, int] = {}
    controller: str = ""

    @property
    def container(self) -> str:
        """Its main container."""
        wanted = self.pod.meta.annotations.get(DEFAULT_CONTAINER, "")
        return wanted if wanted in self.pod.images else next(iter(self.pod.images), "")

    @property
    def is_running(self) -> bool:
        return any(row.name == self.container and row.is_running for row in self.pod.containers)


def find_running(client: KubernetesClient, manifest: Manifest, namespace: str) -> list[Candidate]:
    """The pods of an object whose main container runs: those that are ready first, of these the newest.

    Raises: RemoteError when there is none.
    """
    place = manifest["metadata"].get("namespace") or namespace
    selector, fields = _selectors(manifest)
    rows = client.listed("api/v1", "pods", place, _candidate, selector, fields)
    sets = None
    if manifest["kind"] == "Deployment" and not all(_is_named_after(row, manifest) for row in rows):
        sets = _replica_sets(client, manifest, place, selector)
    found = [row for row in rows if _is_owned(row, manifest, sets)]
    running = [row for row in found if row.is_running and not row.pod.meta.is_deleting]
    if running:
        newest = sorted(running, key=lambda row: row.pod.meta.created, reverse=True)
        return sorted(newest, key=lambda row: not row.pod.is_ready)
    key = f"{manifest['kind']}/{manifest['metadata']['name']}"
    what = f"none of its {len(found)} pods runs" if found else "it has no pods"
    raise RemoteError(f"{key}: {what}", where=client.server.context.name, hint="shipit status shows what runs")


def _is_owned(row: Candidate, manifest: Manifest, sets: Collection[str] | None) -> bool:
    """Whether an object controls a pod. `sets` are the ReplicaSets of a Deployment, None where they were not read."""
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    if kind == "Pod":
        return True
    if kind != "Deployment":
        return row.controller == f"{kind}/{name}"
    return _is_named_after(row, manifest) if sets is None else row.controller in sets


def _is_named_after(row: Candidate, manifest: Manifest) -> bool:
    """Whether the ReplicaSet of a pod has the name that the controller of a Deployment gives its own.

    It is its own then: one with these labels that nothing controls would be adopted.
    """
    return row.controller == f"ReplicaSet/{manifest['metadata']['name']}-{row.pod.meta.labels.get(_HASH)}"


def _replica_sets(client: KubernetesClient, manifest: Manifest, place: str, selector: str) -> frozenset[str] | None:
    """The ReplicaSets that a Deployment controls, as `ReplicaSet/name`; None where this user may not list them."""
    try:
        rows = client.listed("apis/apps/v1", "replicasets", place, _named_controller, selector)
    except RemoteError as error:
        if error.status == 403:
            return None
        raise
    wanted = f"Deployment/{manifest['metadata']['name']}"
    return frozenset(f"ReplicaSet/{name}" for name, controller in rows if controller == wanted)


def _named_controller(part: Field) -> tuple[str, str]:
    return part["metadata"]["name"].text(), _controller(part["metadata"])


def _controller(metadata: Field) -> str:
    """The object that created another and replaces it, as `Kind/name`; empty without one."""
    rows = (row for row in metadata["ownerReferences"].rows() if row["controller"].flag())
    return next((f"{row['kind'].text()}/{row['name'].text()}" for row in rows), "")


def _candidate(part: Field) -> Candidate:
    rows = [row for container in part["spec"]["containers"].rows() for row in container["ports"].rows()]
    ports = {row["name"].text(): row["containerPort"].whole() for row in rows}
    return Candidate(parse_pod(part), ports, _controller(part["metadata"]))


def _selectors(manifest: Manifest) -> tuple[str, str]:
    """The label selector and field selector of an object's pods."""
    kind, name, spec = manifest["kind"], manifest["metadata"]["name"], manifest.get("spec") or {}
    if kind == "Pod":
        return "", f"metadata.name={name}"
    if kind == "Job":
        return f"job-name={name}", ""
    if kind == "ReplicationController":
        return _label_selector({"matchLabels": spec.get("selector") or {}}), ""
    selector = spec.get("selector") or {}
    if not selector:
        raise RemoteError(f"{kind}/{name} has no pods that a selector finds", hint="name another workload")
    return _label_selector(selector), ""


def _label_selector(selector: Mapping[str, Any]) -> str:
    """A LabelSelector as text. An unknown operator is sent as it is: the server refuses it."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for row in selector.get("matchExpressions") or ():
        text = _OPERATORS.get(row.get("operator"), "{key} {operator} ({values})")
        values = ",".join(map(str, row.get("values") or ()))
        parts.append(text.format(key=row.get("key"), values=values, operator=row.get("operator")))
    return ",".join(parts)
