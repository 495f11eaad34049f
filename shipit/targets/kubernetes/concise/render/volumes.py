"""The volumes of a workload: in the pod, in its containers, and the claims that they need. Pure.

Source: Kubernetes API reference, v1 Volume, v1 PersistentVolumeClaim.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.volumes import VolumeConfig, volume_name
from shipit.targets.kubernetes.render import Manifest, Setting, head_of

_ACCESS = {"one-node": "ReadWriteOnce", "one-pod": "ReadWriteOncePod", "many-nodes": "ReadWriteMany"}


def render_mounts(config: WorkloadKeys) -> list[Manifest]:
    """Where a container has the volumes."""
    rows = []
    for path, volume in config.volumes.items():
        read_only = {"readOnly": True} if volume.read_only else {}
        rows.append({"name": volume_name(path), "mountPath": path, **read_only})
    return rows


def render_volumes(name: str, config: WorkloadKeys) -> list[Manifest]:
    """The volumes of the pod, without those that a StatefulSet claims for each pod."""
    return [
        {"name": volume_name(path), **_source(claim_name(name, path), volume)}
        for path, volume in config.volumes.items()
        if not (volume.size and config.kind == "statefulset")
    ]


def render_claims(name: str, config: WorkloadKeys, setting: Setting) -> Iterator[Manifest]:
    """The claims that a workload other than a StatefulSet makes."""
    for path, volume in config.volumes.items():
        if volume.size and config.kind != "statefulset":
            head = head_of("v1", "PersistentVolumeClaim", claim_name(name, path), setting)
            yield {**head, "spec": _claim(volume)}


def claim_templates(config: WorkloadKeys) -> Manifest:
    """The claims of each pod of a StatefulSet."""
    rows = [
        {"metadata": {"name": volume_name(path)}, "spec": _claim(volume)}
        for path, volume in config.volumes.items()
        if volume.size
    ]
    return {"volumeClaimTemplates": rows} if rows else {}


def claim_name(name: str, path: str) -> str:
    return f"{name}-{volume_name(path)}"


def _claim(volume: VolumeConfig) -> Manifest:
    storage_class = {"storageClassName": volume.storage_class} if volume.storage_class else {}
    requests = {"requests": {"storage": volume.size}}
    return {"accessModes": [_ACCESS[volume.access]], **storage_class, "resources": requests}


def _source(claim: str, volume: VolumeConfig) -> Manifest:
    if volume.empty:
        medium = {"medium": "Memory"} if volume.in_memory else {}
        return {"emptyDir": {**medium, **({"sizeLimit": volume.limit} if volume.limit else {})}}
    if volume.size or volume.claim:
        return {"persistentVolumeClaim": {"claimName": volume.claim or claim}}
    if volume.config:
        return {"configMap": {"name": volume.config}}
    return {"secret": {"secretName": volume.secret}} if volume.secret else {"hostPath": {"path": volume.host}}
