"""Fields that `kubectl apply` owns become shipit's."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.adopted_fields import after_adoption
from shipit.targets.kubernetes.adoption import (
    adopt,
    as_served,
    end_adoption,
    is_adopted,
    joined_rows,
    unserved_versions,
)
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.conflicts import has_others
from shipit.targets.kubernetes.drift import object_differences
from shipit.targets.kubernetes.fields import joined, parse_owned
from shipit.targets.kubernetes.live import Live, applied_part, taken_over, with_helm
from shipit.targets.kubernetes.parse import parse_live

AT = "2026-01-31T12:00:00Z"
ANNOTATED: dict[str, Any] = {
    "f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}}
}

V1, V2, BETA = "autoscaling/v1", "autoscaling/v2", "autoscaling/v2beta2"
SCALER: dict[str, Any] = {
    "apiVersion": V2,
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "x"},
    "spec": {"maxReplicas": 3, "metrics": [{"type": "Resource", "resource": {"name": "cpu"}}]},
}


def row(manager: str, fields: dict[str, Any], operation: str = "Update", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, "time": AT, **more}


def test_the_fields_of_kubectl_apply_are_joined_with_those_of_shipit() -> None:
    theirs = row("kubectl-client-side-apply", {**ANNOTATED, "f:data": {".": {}, "f:a": {}}})
    edited = row("kubectl-edit", {"f:data": {"f:b": {}}})
    ours = row("shipit", {"f:data": {"f:c": {}}}, "Apply")
    whole = {"f:data": {"f:c": {}, ".": {}, "f:a": {}}, **ANNOTATED}
    assert joined_rows([theirs, edited, ours]) == [edited, {**ours, "fieldsV1": whole}]
    assert joined_rows([theirs]) == [{**theirs, "manager": "shipit", "operation": "Apply"}]


def test_the_fields_of_helm_are_joined_where_they_are_left_to_shipit() -> None:
    updated, applied = (
        row("helm", {"f:data": {f"f:{name}": {}}}, how) for name, how in (("b", "Update"), ("c", "Apply"))
    )
    ours = row("shipit", {"f:data": {"f:a": {}}}, "Apply")
    assert joined_rows([updated, applied, ours]) is None
    whole: dict[str, Any] = {"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}}
    assert joined_rows([updated, applied, ours], takes_helm=True) == [{**ours, "fieldsV1": whole}]
    live = config_map(updated, applied, ours)
    assert not is_adopted(live) and has_others(live)
    left = with_helm(live)
    assert is_adopted(left) and not has_others(left)
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "1"}}
    assert after_adoption(wanted, left, left).manifest["data"] == {"a": "1"}


def test_other_managers_stay_as_they_are() -> None:
    status = row("kubectl-client-side-apply", ANNOTATED, subresource="status")
    assert joined_rows([]) is None
    assert joined_rows([row("kubectl-edit", {"f:data": {"f:b": {}}}), status]) is None
    assert joined_rows([row("argocd", ANNOTATED, "Apply")]) is None
    other = row("kubectl-client-side-apply", ANNOTATED, apiVersion="v2")
    ours = row("shipit", {}, "Apply")
    moved = {**other, "manager": "shipit-adopting-v2", "operation": "Apply"}
    assert joined_rows([other, ours]) == [moved, ours], "fields have the names of their version"


def test_entries_of_every_version_of_kubectl_apply_are_found_by_the_manager_of_the_last_applied_configuration() -> None:
    old = row("kubectl-client-side-apply", {"f:data": {"f:old": {}}}, apiVersion="example.com/v1")
    new = row("kubectl-client-side-apply", {**ANNOTATED, "f:data": {"f:new": {}}}, apiVersion="example.com/v2")
    by_hand = row("kubectl-edit", {"f:data": {"f:b": {}}})
    fields: dict[str, Any] = {
        "f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}
    }
    moved = {**old, "manager": "shipit-adopting-v1-example.com", "operation": "Apply"}
    moved["fieldsV1"] = {"f:data": {"f:old": {}}, **fields}
    own = {**new, "manager": "shipit", "operation": "Apply"}
    assert joined_rows([new, old, by_hand]) == [by_hand, moved, own]
    live = config_map(new, old, by_hand)
    assert [manager.name for manager in taken_over(live.meta.managers)] == ["kubectl-client-side-apply"] * 2
    half = config_map(moved, own, by_hand)
    assert is_adopted(half), "a deploy that ended in between is continued"
    assert not has_others(half) and applied_part(half.meta.managers) is not None
    again = row("kubectl-client-side-apply", {**ANNOTATED, "f:data": {"f:more": {}}}, apiVersion="example.com/v1")
    found = joined_rows([moved, own, again])
    assert found is not None and [item["manager"] for item in found] == [moved["manager"], "shipit"]
    assert found[0]["fieldsV1"]["f:data"] == {"f:more": {}, "f:old": {}}, "somebody applied again in between"


def test_what_two_managers_own_together() -> None:
    first: dict[str, Any] = {"f:a": {}, "f:list": {'k:{"name":"x"}': {"f:b": {}}, 'v:"one"': {}}}
    items: dict[str, Any] = {'k:{"name":"x"}': {"f:e": {}}, 'k:{"name":"y"}': {}, 'v:"one"': {}}
    second = {"f:c": {}, "f:a": {"f:d": {}}, "f:list": items}
    one, other = (parse_owned(Field(part, "GET test")) for part in (first, second))
    found = joined([one, other])
    assert set(found.fields) == {"a", "c", "list"} and set(found.fields["a"].fields) == {"d"}
    of_list = {keys["name"]: set(owned.fields) for keys, owned in found.fields["list"].items}
    assert of_list == {"x": {"b", "e"}, "y": set()} and found.fields["list"].values == ("one",)


def config_map(*managers: dict[str, Any]) -> Live:
    metadata = {"name": "x", "managedFields": list(managers)}
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1", "b": "2", "c": "3"}}
    return parse_live(Field(value, "GET test"))


def test_what_leaves_is_what_kubectl_apply_alone_owns() -> None:
    theirs = row("kubectl-client-side-apply", {**ANNOTATED, "f:data": {"f:a": {}, "f:b": {}, "f:c": {}}})
    edited = row("kubectl-edit", {"f:data": {"f:b": {}}})
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "1"}}
    live = config_map(theirs, edited)
    assert is_adopted(live) and not is_adopted(config_map(edited)) and not is_adopted(None)
    assert after_adoption(wanted, live, live).manifest["data"] == {"a": "1", "b": "2"}, "b is also another one's"
    assert live.manifest["data"] == {"a": "1", "b": "2", "c": "3"}
    other = config_map(edited)
    assert after_adoption(wanted, other, other) is other
    whole = {**wanted, "data": {"a": "1", "b": "2", "c": "3"}}
    assert after_adoption(whole, live, live) is live


def test_what_leaves_of_a_list_that_another_manager_has_a_part_of() -> None:
    def of(*names: str) -> dict[str, Any]:
        return {"f:spec": {"f:env": {f'k:{{"name":"{name}"}}': {".": {}, "f:name": {}} for name in names}}}

    env = [{"name": "A"}, {"name": "X"}]
    rows = [row("kubectl-client-side-apply", {**ANNOTATED, **of("A")}), row("kubectl-set", of("X"))]
    value = {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "x", "managedFields": rows},
        "spec": {"env": env},
    }
    live = parse_live(Field(value, "GET test"))
    wanted = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {}}
    assert after_adoption(wanted, live, live).manifest["spec"] == {"env": [{"name": "X"}]}


def test_a_field_that_the_server_sets_by_default_gets_its_value() -> None:
    ports: dict[str, Any] = {'k:{"port":80}': {"f:port": {}, "f:protocol": {}, "f:note": {}}}
    fields: dict[str, Any] = {"f:spec": {"f:policy": {}, "f:type": {}, "f:ports": ports}}
    rows = [row("kubectl-client-side-apply", {**ANNOTATED, **fields})]
    spec = {"policy": "Never", "type": "B", "ports": [{"port": 80, "protocol": "TCP", "note": "x"}]}
    value = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x", "managedFields": rows}, "spec": spec}
    live = parse_live(Field(value, "GET test"))
    wanted = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}]}}
    new = {**wanted, "spec": {"policy": "Always", "ports": [{"port": 79}, {"port": 80, "protocol": "TCP"}]}}
    found = after_adoption(wanted, live, live, (), new).manifest["spec"]
    assert found == {"policy": "Always", "ports": [{"port": 80, "protocol": "TCP"}]}


class Racing(KubernetesClient):
    """A client whose object changes between each of the first reads and its write."""

    def __init__(self, live: Live, conflicts: int) -> None:
        self.live, self.conflicts, self.written = live, conflicts, list[Any]()

    def read(self, manifest: Any, namespace: str) -> Live | None:
        return self.live

    def set_managed_fields(self, manifest: Any, namespace: str, rows: Any, version: str) -> None:
        self.written.append(rows)
        if len(self.written) <= self.conflicts:
            raise RemoteError("the object has been modified", status=409)


def test_an_object_that_changes_meanwhile_is_read_again() -> None:
    theirs = row("kubectl-client-side-apply", ANNOTATED)
    client = Racing(config_map(theirs), 2)
    adopt(client, {}, "prod")
    assert len(client.written) == 3
    busy = Racing(config_map(theirs), 100)
    with pytest.raises(RemoteError, match="has been modified"):
        adopt(busy, {}, "prod")
    assert len(busy.written) == 8
    free = Racing(config_map(row("kubectl-edit", {})), 0)
    adopt(free, {}, "prod")
    assert free.written == []


class Versioned(KubernetesClient):
    """A client of a cluster that has one autoscaler and serves these versions of it. `live` is None when it is gone."""

    def __init__(self, live: Live, served: tuple[str, ...] = (V1, V2)) -> None:
        self.live: Live | None = live
        self.served, self.released, self.rows = served, list[tuple[str, str]](), list[Any]()

    def list_path(self, version: str, kind: str, namespace: str) -> str:
        return f"/apis/{version}/namespaces/{namespace}/{kind}" if version in self.served else ""

    def read(self, manifest: Any, namespace: str) -> Live | None:
        assert manifest["apiVersion"] == V2, "read as deploy.yml has it"
        return self.live

    def release_fields(self, manifest: Any, namespace: str, manager: str) -> None:
        assert self.path(manifest, namespace)
        self.released.append((manifest["apiVersion"], manager))

    def set_managed_fields(self, manifest: Any, namespace: str, rows: Any, version: str) -> None:
        self.rows.append(rows)


def autoscaler(*managers: dict[str, Any], uid: str = "u1") -> Live:
    metadata = {"name": "x", "uid": uid, "managedFields": [*managers]}
    return parse_live(Field({**deepcopy(SCALER), "metadata": metadata}, "GET test"))


def test_the_object_after_an_adoption_is_that_of_the_version_that_was_applied() -> None:
    applied = autoscaler(row("shipit-adopting-v1-autoscaling", {}, "Apply", apiVersion=V1))
    client = Versioned(applied)
    client.live = autoscaler()
    after = end_adoption(client, applied, "prod")
    assert client.released == [(V1, "shipit-adopting-v1-autoscaling")]
    assert after is client.live and object_differences(SCALER, after) == [], "v1 has other fields"
    assert end_adoption(Versioned(after), after, "prod") is after


@pytest.mark.parametrize("now", [None, autoscaler(uid="u2")])
def test_an_object_that_is_gone_after_an_adoption_is_an_error(now: Live | None) -> None:
    applied = autoscaler(row("shipit-adopting-v1-autoscaling", {}, "Apply", apiVersion=V1))
    client = Versioned(applied)
    client.live = now
    with pytest.raises(RemoteError, match="HorizontalPodAutoscaler/x: it was deleted"):
        end_adoption(client, applied, "prod")


def test_fields_of_a_version_that_is_not_served_stay_and_the_plan_says_so() -> None:
    labels: dict[str, Any] = {"f:metadata": {"f:labels": {"f:old": {}}, **ANNOTATED["f:metadata"]}}
    old = row("kubectl-client-side-apply", {**labels, "f:spec": {"f:behavior": {}}}, apiVersion=BETA)
    live = autoscaler(old)
    live.manifest["metadata"]["labels"] = {"old": "1"}
    live.manifest["spec"]["behavior"] = {"scaleUp": {}}
    client = Versioned(live)
    unserved = unserved_versions(client, live, "prod")
    assert unserved == {BETA} and unserved_versions(client, None, "prod") == set()
    assert unserved_versions(Versioned(live, (BETA, V2)), live, "prod") == set()
    after = after_adoption(SCALER, live, live, unserved).manifest
    assert after["spec"] == live.manifest["spec"] and not after["metadata"].get("labels")
    assert "behavior" not in after_adoption(SCALER, live, live).manifest["spec"], "a version that is served"
    adopt(client, SCALER, "prod")
    own = {**old, "apiVersion": V2, "manager": "shipit", "operation": "Apply", "fieldsV1": labels}
    assert client.rows == [[own]], "metadata is the same in every version"


def test_an_adoption_that_ended_in_between_goes_on_without_a_version_that_is_not_served_any_more() -> None:
    half = row("shipit-adopting-v2beta2-autoscaling", {**ANNOTATED, "f:spec": {"f:a": {}}}, "Apply", apiVersion=BETA)
    edited = row("kubectl-edit", {"f:spec": {"f:b": {}}}, apiVersion=BETA)
    client = Versioned(autoscaler(half, edited))
    adopt(client, SCALER, "prod")
    assert client.rows == [[{**half, "apiVersion": V2, "fieldsV1": ANNOTATED}, edited]]
    assert as_served([half, edited], (), V2) == [half, edited]
