"""Parts of a manifest of any shape. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipit.targets.kubernetes.render import Manifest

# The kinds of the objects that have pods.
HAVE_PODS = (
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
    "Pod",
)


def container_images(manifest: Manifest) -> dict[str, str]:
    """Container -> image of the pods of an object; empty for kinds without pods."""
    rows = containers_of(manifest)
    return {str(row["name"]): str(row["image"]) for row in rows if "name" in row and "image" in row}


def containers_of(manifest: Manifest, key: str = "containers") -> list[dict[str, Any]]:
    """The containers, or the `initContainers`, of the pods of an object; empty for kinds without pods."""
    return as_maps(spec_of(template_of(manifest)).get(key))


def template_of(manifest: Manifest) -> Manifest:
    """The metadata and spec of the pods of an object: its pod template, or the object itself where it has none, as a Pod."""
    spec = spec_of(manifest)
    job = spec.get("jobTemplate")
    template = (spec_of(job) if isinstance(job, dict) else spec).get("template")
    return template if isinstance(template, dict) else manifest


def annotations_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations of an object or a pod template; empty where they are missing or no map."""
    return as_map(as_map(value.get("metadata")).get("annotations"))


def as_map(value: Any) -> dict[str, Any]:
    """A map; empty for any other value."""
    return value if isinstance(value, dict) else {}


def as_maps(value: Any) -> list[dict[str, Any]]:
    """The maps of a list; empty for any other value."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def spec_of(manifest: Manifest) -> dict[str, Any]:
    """The spec of an object; empty where it is missing or no map."""
    return as_map(manifest.get("spec"))


def status_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The status of an object; empty where it is missing or no map."""
    return as_map(manifest.get("status"))


def is_namespace(manifest: Mapping[str, Any], name: str) -> bool:
    """Whether an object is the Namespace of a name."""
    return (manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]) == ("v1", "Namespace", name)
