"""Fields that `kubectl apply` owns become shipit's."""

from __future__ import annotations

from typing import Any

from shipit.http.fields import Field
from shipit.targets.kubernetes.adoption import joined_rows
from shipit.targets.kubernetes.fields import joined, parse_owned

ANNOTATED: dict[str, Any] = {
    "f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}}
}


def row(manager: str, fields: dict[str, Any], operation: str = "Update", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, "time": "t", **more}


def test_the_fields_of_kubectl_apply_are_joined_with_those_of_shipit() -> None:
    theirs = row("kubectl-client-side-apply", {**ANNOTATED, "f:data": {".": {}, "f:a": {}}})
    edited = row("kubectl-edit", {"f:data": {"f:b": {}}})
    ours = row("shipit", {"f:data": {"f:c": {}}}, "Apply")
    whole = {"f:data": {"f:c": {}, ".": {}, "f:a": {}}, **ANNOTATED}
    assert joined_rows([theirs, edited, ours]) == [edited, {**ours, "fieldsV1": whole}]
    assert joined_rows([theirs]) == [{**theirs, "manager": "shipit", "operation": "Apply"}]


def test_other_managers_stay_as_they_are() -> None:
    status = row("kubectl-client-side-apply", ANNOTATED, subresource="status")
    assert joined_rows([]) is None
    assert joined_rows([row("kubectl-edit", {"f:data": {"f:b": {}}}), status]) is None
    assert joined_rows([row("argocd", ANNOTATED, "Apply")]) is None
    other = row("kubectl-client-side-apply", ANNOTATED, apiVersion="v2")
    ours = row("shipit", {}, "Apply")
    assert joined_rows([other, ours]) == [other, ours], "fields have the names of their version"


def test_what_two_managers_own_together() -> None:
    first: dict[str, Any] = {"f:a": {}, "f:list": {'k:{"name":"x"}': {"f:b": {}}, 'v:"one"': {}}}
    items: dict[str, Any] = {'k:{"name":"x"}': {"f:e": {}}, 'k:{"name":"y"}': {}, 'v:"one"': {}}
    second = {"f:c": {}, "f:a": {"f:d": {}}, "f:list": items}
    one, other = (parse_owned(Field(part, "GET test")) for part in (first, second))
    found = joined([one, other])
    assert set(found.fields) == {"a", "c", "list"} and set(found.fields["a"].fields) == {"d"}
    of_list = {keys["name"]: set(owned.fields) for keys, owned in found.fields["list"].items}
    assert of_list == {"x": {"b", "e"}, "y": set()} and found.fields["list"].values == ("one",)
