"""Objects that the server can't check before others of the same deploy are applied. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shipit.targets.kubernetes.definitions import DEFINITION, defined_kinds, defines
from shipit.targets.kubernetes.objects import spec_of
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.wanted import Wanted

# Field of a Pod -> the kind that it names. Admission refuses a Pod that names one which does not exist.
_NAMED_BY_PODS = {
    "serviceAccountName": "ServiceAccount",
    "priorityClassName": "PriorityClass",
    "runtimeClassName": "RuntimeClass",
}


class Needed(NamedTuple):
    """Why the server can't check an object yet, such as `Namespace/shop is new`.

    `definition` is the CustomResourceDefinition of its kind, where the server does not have that. `lacks_namespace_only`: it
    could be checked in another namespace.
    """

    why: str
    definition: Manifest | None = None
    lacks_namespace_only: bool = False


def needed_first(wanted: Sequence[Wanted], namespace: str) -> dict[str, Needed]:
    """Key of an object -> what the server needs before it can check it."""
    new = {item.key for item in wanted if item.live is None}
    definitions = [item for item in wanted if item.manifest["kind"] == DEFINITION]
    found = {}
    for item in wanted:
        named = [key for key in _named(item.manifest, namespace) if key in new]
        undefined = [(other, why) for other in definitions if (why := _undefined(item.manifest, other))]
        reasons = [*(f"{key} is new" for key in named), *(why for _, why in undefined)]
        if reasons:
            definition = undefined[0][0].manifest if undefined else None
            is_namespace = len(reasons) == 1 and named == [f"Namespace/{_place(item.manifest, namespace)}"]
            found[item.key] = Needed(reasons[0], definition, is_namespace)
    return found


def _undefined(manifest: Manifest, definition: Wanted) -> str:
    """Why the cluster does not know the kind of an object yet, which a definition of the same deploy defines; empty where it does."""
    if not defines(definition.manifest, manifest):
        return ""
    if definition.live is None:
        return f"{definition.key} is new"
    version = manifest["apiVersion"].rpartition("/")[2]
    is_served = version in defined_kinds(definition.live.manifest)[2]
    return "" if is_served else f"{definition.key} does not serve {version} yet"


def _named(manifest: Manifest, namespace: str) -> Iterator[str]:
    """The keys of the objects that a manifest names and that admission looks up."""
    own = _place(manifest, namespace)
    yield f"Namespace/{own}"
    prefix = "" if own == namespace else f"{own}/"
    if manifest["kind"] == "Pod":
        for field, kind in _NAMED_BY_PODS.items():
            name = spec_of(manifest).get(field)
            yield f"{kind}/{prefix if kind == 'ServiceAccount' else ''}{name}"
    role = manifest.get("roleRef")
    if isinstance(role, dict):
        yield f"{role.get('kind')}/{prefix if role.get('kind') == 'Role' else ''}{role.get('name')}"


def _place(manifest: Manifest, namespace: str) -> str:
    return str(manifest["metadata"].get("namespace") or namespace)
