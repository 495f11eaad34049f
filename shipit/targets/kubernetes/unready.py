"""Objects that the server can't check before others of the same deploy are applied. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipit.targets.kubernetes.definitions import DEFINITION, defines
from shipit.targets.kubernetes.objects import spec_of
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.wanted import Wanted

# Field of a Pod -> the kind that it names. Admission refuses a Pod that names one which does not exist.
_NAMED_BY_PODS = {
    "serviceAccountName": "ServiceAccount",
    "priorityClassName": "PriorityClass",
    "runtimeClassName": "RuntimeClass",
}


def needed_first(wanted: Sequence[Wanted], namespace: str) -> dict[str, str]:
    """Key of an object -> key of a new object that has to exist before the server can check it."""
    new = {item.key: item.manifest for item in wanted if item.live is None}
    definitions = {key: other for key, other in new.items() if other["kind"] == DEFINITION}
    found = {}
    for item in wanted:
        keys = [key for key in _named(item.manifest, namespace) if key in new]
        keys += [key for key, other in definitions.items() if defines(other, item.manifest)]
        if keys:
            found[item.key] = keys[0]
    return found


def _named(manifest: Manifest, namespace: str) -> Iterator[str]:
    """The keys of the objects that a manifest names and that admission looks up."""
    own = manifest["metadata"].get("namespace") or namespace
    yield f"Namespace/{own}"
    prefix = "" if own == namespace else f"{own}/"
    if manifest["kind"] == "Pod":
        for field, kind in _NAMED_BY_PODS.items():
            name = spec_of(manifest).get(field)
            yield f"{kind}/{prefix if kind == 'ServiceAccount' else ''}{name}"
    role = manifest.get("roleRef")
    if isinstance(role, dict):
        yield f"{role.get('kind')}/{prefix if role.get('kind') == 'Role' else ''}{role.get('name')}"
