"""CustomResourceDefinitions: the kinds that they define. Pure.

Source: Kubernetes API reference, apiextensions.k8s.io/v1 CustomResourceDefinition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shipit.targets.kubernetes.objects import spec_of
from shipit.targets.kubernetes.render import Manifest

DEFINITION = "CustomResourceDefinition"


def defined_kinds(definition: Manifest) -> tuple[str, str, tuple[str, ...]]:
    """Group, kind and served versions."""
    spec = spec_of(definition)
    names, versions = spec.get("names"), spec.get("versions")
    rows: list[Any] = versions if isinstance(versions, list) else []
    served = tuple(str(row["name"]) for row in rows if isinstance(row, dict) and row.get("served") and "name" in row)
    return str(spec.get("group")), str(names.get("kind")) if isinstance(names, dict) else "", served


def defines(definition: Manifest, manifest: Manifest) -> bool:
    """Whether an object is the CustomResourceDefinition of the kind of another."""
    if definition.get("kind") != DEFINITION:
        return False
    group, kind, _ = defined_kinds(definition)
    return (group, kind) == (manifest["apiVersion"].rpartition("/")[0], manifest["kind"])


def is_defined(manifest: Manifest, manifests: Iterable[Manifest]) -> bool:
    """Whether one of the manifests defines the kind of another."""
    return any(defines(other, manifest) for other in manifests)
