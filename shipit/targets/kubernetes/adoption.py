"""Objects that `kubectl apply` made: their fields become shipit's, so that what the manifest does not have leaves the cluster.

Source: client-go, util/csaupgrade: managed fields are joined for the manager that owns the last applied configuration;
kubectl, `apply --server-side`, which does the same for its own manager.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from shipit.errors import RemoteError
from shipit.targets.kubernetes.client import CONFLICT, KubernetesClient
from shipit.targets.kubernetes.drift import find_removed
from shipit.targets.kubernetes.fields import FieldPath, joined
from shipit.targets.kubernetes.live import LAST_APPLIED, Live
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest

_ATTEMPTS = 8


def is_adopted(live: Live | None) -> bool:
    """True where fields that `kubectl apply` owns have to become shipit's before the object is applied."""
    return live is not None and any(manager.is_client_side for manager in live.meta.managers)


def after_adoption(wanted: Manifest, live: Live | None, result: Live) -> Live:
    """The result of a dry run, without what leaves because shipit takes over the fields of `kubectl apply`.

    A field that another manager owns as well stays.
    """
    if live is None or not is_adopted(live):
        return result
    owned = joined([manager.owned for manager in live.meta.managers if manager.is_client_side])
    others = [manager for manager in live.meta.managers if not (manager.is_client_side or manager.is_ours)]
    leaving = [
        found.keys
        for found in find_removed(wanted, result.manifest, owned)
        if not any(manager.owned.has(found.keys, result.manifest) for manager in others)
    ]
    if not leaving:
        return result
    manifest = deepcopy(dict(result.manifest))
    # The last items of a list first: the places of those before them stay.
    for keys in reversed(leaving):
        _remove(manifest, keys)
    return result._replace(manifest=manifest)


def adopt(client: KubernetesClient, manifest: Manifest, namespace: str) -> None:
    """Make the fields of an object that `kubectl apply` owns shipit's. Safe to repeat. Raises: RemoteError."""
    for attempt in range(_ATTEMPTS):
        live = client.read(manifest, namespace)
        rows = None if live is None else joined_rows(live.manifest["metadata"].get("managedFields") or [])
        if live is None or rows is None:
            return
        try:
            client.set_managed_fields(manifest, namespace, rows, live.meta.version)
        except RemoteError as error:
            if error.status != CONFLICT or attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def joined_rows(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]] | None:
    """`managedFields` with those of `kubectl apply` in the entry of shipit; None where there are none. Pure."""
    theirs = [row for row in rows if _is_client_side(row)]
    if not theirs:
        return None
    own = next((row for row in rows if _is_own(row)), {**theirs[0], "manager": MANAGED_BY, "operation": "Apply"})
    # Fields have the names of their version.
    theirs = [row for row in theirs if row.get("apiVersion") == own.get("apiVersion")]
    fields = own.get("fieldsV1") or {}
    for row in theirs:
        fields = _union(fields, row.get("fieldsV1") or {})
    return [row for row in rows if row not in theirs and not _is_own(row)] + [{**own, "fieldsV1": fields}]


def _is_own(row: Mapping[str, Any]) -> bool:
    return (row.get("manager"), row.get("operation"), row.get("subresource") or "") == (MANAGED_BY, "Apply", "")


def _is_client_side(row: Mapping[str, Any]) -> bool:
    part: Any = row.get("fieldsV1")
    for key in ("f:metadata", "f:annotations"):
        part = part.get(key) if isinstance(part, Mapping) else None
    is_named = isinstance(part, Mapping) and f"f:{LAST_APPLIED}" in part
    return is_named and row.get("operation") == "Update" and not row.get("subresource")


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _union(one.get(key) or {}, other.get(key) or {}) for key in (*one, *(k for k in other if k not in one))
    }


def _remove(value: Any, keys: FieldPath) -> None:
    for key in keys[:-1]:
        value = value[key]
    del value[keys[-1]]
