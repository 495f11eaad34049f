"""Objects that only Helm's own installation would run: hooks of a chart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.targets.kubernetes.manifest_objects import Written

_HOOK = "helm.sh/hook"


def hooks_of(objects: Iterable[Written]) -> Iterator[str]:
    """`Kind/name (hook)` of each object that is a hook.

    Source: helm.sh/docs/topics/charts_hooks. `crd-install` is of Helm 2: such an object is one like others today.
    """
    for written in objects:
        hook = (written.manifest["metadata"].get("annotations") or {}).get(_HOOK)
        if hook and hook != "crd-install":
            yield f"{written.manifest['kind']}/{written.manifest['metadata']['name']} ({hook})"
