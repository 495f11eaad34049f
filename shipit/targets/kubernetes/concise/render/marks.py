"""The labels and annotations of one's own, on every object of a workload and on its pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipit.targets.kubernetes.render import Manifest

# Where a pod template stands in an object.
_TEMPLATES = ("template", "jobTemplate")


def marked(manifest: Manifest, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Manifest:
    if not labels and not annotations:
        return manifest
    out = {**manifest, "metadata": _marked_head(manifest.get("metadata") or {}, labels, annotations)}
    spec = manifest.get("spec")
    if isinstance(spec, dict):
        inner = {key: marked(spec[key], labels, annotations) for key in _TEMPLATES if key in spec}
        out["spec"] = {**spec, **inner}
    return out


def _marked_head(head: Mapping[str, Any], labels: Mapping[str, str], annotations: Mapping[str, str]) -> Manifest:
    """Labels of shipit come first: the selector of the pods has them."""
    rows = (("labels", labels), ("annotations", annotations))
    return {**head, **{key: {**own, **head.get(key, {})} for key, own in rows if own}}
