"""Objects that `kubectl apply` made: their fields become shipit's, so that what the manifest does not have leaves the cluster.

Source: client-go, util/csaupgrade: managed fields are joined for the manager that owns the last applied configuration;
kubectl, `apply --server-side`, which does the same for its own manager.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shipit.errors import RemoteError
from shipit.targets.kubernetes.client import CONFLICT, KubernetesClient
from shipit.targets.kubernetes.live import ADOPTING, HELM, LAST_APPLIED, Live, taken_over, with_helm
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest

_ATTEMPTS = 8
_CONFIGURATION: Mapping[str, Any] = {"fieldsV1": {"f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}}}


def is_adopted(live: Live | None) -> bool:
    """True where fields that `kubectl apply` owns have to become shipit's before the object is applied."""
    return live is not None and bool(taken_over(live.meta.managers))


def unserved_versions(client: KubernetesClient, live: Live | None, namespace: str) -> frozenset[str]:
    """The apiVersions of the entries of `kubectl apply` that the cluster does not serve. Raises: RemoteError."""
    if live is None:
        return frozenset()
    versions = {manager.api_version for manager in taken_over(live.meta.managers)} - {"", live.manifest["apiVersion"]}
    return frozenset(version for version in versions if not client.list_path(version, live.kind, namespace))


def adopt(client: KubernetesClient, manifest: Manifest, namespace: str, *, takes_helm: bool = False) -> None:
    """Make the fields of an object that `kubectl apply` owns shipit's, and with `takes_helm` those of Helm.

    Safe to repeat. Raises: RemoteError.
    """
    for attempt in range(_ATTEMPTS):
        live = client.read(manifest, namespace)
        live = with_helm(live) if live and takes_helm else live
        rows = None if live is None else _adopted_rows(live, unserved_versions(client, live, namespace), takes_helm)
        if live is None or rows is None:
            return
        try:
            client.set_managed_fields(manifest, namespace, rows, live.meta.version)
        except RemoteError as error:
            if error.status != CONFLICT or attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def end_adoption(client: KubernetesClient, live: Live, namespace: str) -> Live:
    """Remove what only `kubectl apply` owned, under other versions than that of shipit; the object as it is then.

    Fields have the names of their version, in which the server also answers: the object is read again in that of `live`.
    Safe to repeat. Raises: RemoteError, also where the object is gone.
    """
    rows = [row for row in live.manifest["metadata"].get("managedFields") or [] if _is_adopting(row)]
    if not rows:
        return live
    for row in rows:
        client.release_fields({**live.manifest, "apiVersion": str(row.get("apiVersion"))}, namespace, row["manager"])
    after = client.read(live.manifest, namespace)
    if after is None or after.meta.uid != live.meta.uid:
        what = "it was deleted while fields of kubectl apply were removed"
        raise RemoteError(what, where=f"{live.kind}/{live.meta.name}", hint="deploy again", status=CONFLICT)
    return after


def as_served(
    rows: Sequence[Mapping[str, Any]], unserved: Collection[str], version: str, takes_helm: bool = False
) -> list[Mapping[str, Any]]:
    """`managedFields` where entries of `kubectl apply` in unserved versions have their `metadata` only, in `version`. Pure.

    `metadata` is the same in every version. Nobody can remove the other fields in a version that the cluster does not serve:
    they stay, and no field manager owns them.
    """
    theirs = [
        row for row in (*_entries(rows, takes_helm), *filter(_is_adopting, rows)) if row.get("apiVersion") in unserved
    ]
    return [_with_metadata(row, version) if row in theirs else row for row in rows]


def joined_rows(rows: Sequence[Mapping[str, Any]], takes_helm: bool = False) -> list[Mapping[str, Any]] | None:
    """`managedFields` with those of `kubectl apply` in the entry of shipit; None where there are none. Pure.

    Those of another version than shipit's get a field manager of their own, for `end_adoption`. It also owns the last
    applied configuration, which stays until then: a deploy that is killed before leaves a change for the next one.
    """
    theirs = _entries(rows, takes_helm)
    if not theirs:
        return None
    own = next(
        (row for row in rows if _is_own(row)), {**_with_data(theirs[0]), "manager": MANAGED_BY, "operation": "Apply"}
    )
    others = {row["manager"]: row for row in rows if _is_adopting(row)}
    kept = [row for row in rows if row not in theirs and not _is_own(row) and not _is_adopting(row)]
    for row in map(_with_data, theirs):
        if row.get("apiVersion") == own.get("apiVersion"):
            own = _with_fields(own, row)
        else:
            moved = {**row, "manager": _adopting_name(str(row.get("apiVersion"))), "operation": "Apply"}
            others[moved["manager"]] = _with_fields(moved, _CONFIGURATION, others.get(moved["manager"], {}))
    return [*kept, *others.values(), own]


def _adopted_rows(live: Live, unserved: Collection[str], takes_helm: bool) -> list[Mapping[str, Any]] | None:
    """`managedFields` of an object after its adoption; None where they stay as they are."""
    rows = live.manifest["metadata"].get("managedFields") or []
    served = as_served(rows, unserved, live.manifest["apiVersion"], takes_helm)
    return joined_rows(served, takes_helm) or (served if served != rows else None)


def _entries(rows: Sequence[Mapping[str, Any]], takes_helm: bool) -> list[Mapping[str, Any]]:
    """The entries of `kubectl apply`, and of Helm with `takes_helm`. The same on parsed ones: `live.taken_over`."""
    names = {row.get("manager") for row in rows if _has_last_applied(row)}
    return [row for row in rows if (row.get("manager") in names and _is_update(row)) or (takes_helm and _is_helm(row))]


def _with_data(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry whose `stringData`, which a Secret keeps as `data`, owns that. The same on parsed ones: `live.with_helm`."""
    fields = row.get("fieldsV1") or {}
    if "f:stringData" not in fields:
        return row
    others = {key: part for key, part in fields.items() if key != "f:stringData"}
    return {**row, "fieldsV1": _union(others, {"f:data": fields["f:stringData"]})}


def _is_helm(row: Mapping[str, Any]) -> bool:
    return row.get("manager") == HELM and not row.get("subresource")


def _with_metadata(row: Mapping[str, Any], version: str) -> Mapping[str, Any]:
    fields = row.get("fieldsV1") or {}
    return {**row, "apiVersion": version, "fieldsV1": {key: fields[key] for key in fields if key == "f:metadata"}}


def _adopting_name(version: str) -> str:
    # The server takes up to 128 characters.
    return f"{ADOPTING}{'-'.join(reversed(version.split('/')))}"[:128]


def _with_fields(row: Mapping[str, Any], *others: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = row.get("fieldsV1") or {}
    for other in others:
        fields = _union(fields, other.get("fieldsV1") or {})
    return {**row, "fieldsV1": fields}


def _is_adopting(row: Mapping[str, Any]) -> bool:
    return str(row.get("manager")).startswith(ADOPTING) and row.get("operation") == "Apply"


def _is_own(row: Mapping[str, Any]) -> bool:
    return (row.get("manager"), row.get("operation"), row.get("subresource") or "") == (MANAGED_BY, "Apply", "")


def _is_update(row: Mapping[str, Any]) -> bool:
    return row.get("operation") == "Update" and not row.get("subresource")


def _has_last_applied(row: Mapping[str, Any]) -> bool:
    part: Any = row.get("fieldsV1")
    for key in ("f:metadata", "f:annotations"):
        part = part.get(key) if isinstance(part, Mapping) else None
    is_named = isinstance(part, Mapping) and f"f:{LAST_APPLIED}" in part
    return is_named and _is_update(row)


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _union(one.get(key) or {}, other.get(key) or {}) for key in (*one, *(k for k in other if k not in one))
    }
