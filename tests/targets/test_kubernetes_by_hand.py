"""What somebody set with kubectl beside the fields of a manifest is told, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.http.fields import Field
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.parse import parse_live
from shipit.targets.kubernetes.set_by_hand import hand_notes

AT = "2026-01-31T12:00:00Z"
STAYS = f" at {AT}; no manifest has it, and it stays"
OURS = {"manager": "shipit", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}


def by(manager: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": AT, "fieldsV1": fields, **more}


def config_map(*managers: dict[str, Any], kind: str = "ConfigMap", **metadata: Any) -> Live:
    value = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "x", "managedFields": list(managers), **metadata},
        "data": {"a": "MQ==", "b": "Mg==", "c": "Mw==", "d": "NA==", "e": "NQ==", "type": "NQ=="},
    }
    return parse_live(Field(value, "GET test"))


OF_B: dict[str, Any] = {"f:data": {"f:b": {}}}
EVERY: dict[str, Any] = {"f:data": {f"f:{name}": {} for name in "abcde"}}
RESTARTED: dict[str, Any] = {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}
APPLIED: dict[str, Any] = {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}}


@pytest.mark.parametrize(
    ("live", "notes"),
    [
        (config_map(OURS, by("kubectl-edit", OF_B)), [f"x: kubectl-edit set data.b=Mg=={STAYS}"]),
        (config_map(OURS, by("kubectl-edit", EVERY)), [f"x: kubectl-edit set data.b=Mg==, data.c=Mw==, data.d=NA== and 1 more{STAYS}"]),
        (config_map(OURS, by("kubectl-edit", OF_B), kind="Secret"), [f"x: kubectl-edit set data.b (secret){STAYS}"]),
        (config_map(OURS, by("kubectl-patch", {"f:metadata": {"f:finalizers": {'v:"a/b"': {}}}}), finalizers=["a/b"]),
         [f"x: kubectl-patch set metadata.finalizers[a/b]=a/b{STAYS}"]),
        (config_map(OURS, by("kubectl-edit", {"f:data": {"f:gone": {}}})), []),
        (config_map(OURS, by("kubectl-edit", {"f:data": {"f:a": {}}})), []),
        (config_map(OURS, by("kubectl-rollout", RESTARTED), annotations={"kubectl.kubernetes.io/restartedAt": AT}), []),
        (config_map(OURS, by("kubectl-edit", OF_B, subresource="status")), []),
        (config_map(OURS, by("kubectl-client-side-apply", {**APPLIED, **OF_B})), []),
        (config_map(OURS, by("kube-controller-manager", OF_B)), []),
        (config_map(OURS, by("argocd", OF_B, operation="Apply")), []),
        (config_map(by("kubectl-create", OF_B)), []),
        (config_map(OURS, by("kubectl-create", {"f:data": {"f:type": {}}})), [f"x: kubectl-create set data.type=NQ=={STAYS}"]),
    ],
)  # fmt: skip
def test_a_note_for_what_kubectl_set_beside_our_fields(live: Live, notes: list[str]) -> None:
    assert list(hand_notes({"x": live, "y": None}, dict)) == notes


def test_what_a_deploy_sets_back_is_no_note() -> None:
    live = config_map(OURS, by("kubectl-edit", {"f:data": {"f:b": {}, "f:c": {}}}))
    wanted = {"data": {"a": "MQ==", "b": "other"}}
    assert list(hand_notes({"x": live}, lambda: {"x": wanted})) == [f"x: kubectl-edit set data.c=Mw=={STAYS}"]


def test_many_notes_are_counted() -> None:
    live = config_map(OURS, by("kubectl-edit", OF_B))
    found = list(hand_notes({f"x{number}": live for number in range(25)}, dict))
    assert len(found) == 21 and found[-1] == "and 5 more objects with fields that kubectl set"


def test_what_the_server_sets_by_default_is_no_note_and_other_values_are_one() -> None:
    spec: dict[str, Any] = {
        "type": "ClusterIP",
        "clusterIP": "10.0.0.1",
        "securityContext": {},
        "restartPolicy": "Always",
    }

    def notes(**more: Any) -> list[str]:
        whole = {**spec, **more}
        managers = [OURS, by("kubectl-create", {"f:spec": {f"f:{name}": {} for name in whole}})]
        value = {"metadata": {"name": "x", "managedFields": managers}, "spec": whole}
        return list(hand_notes({"x": parse_live(Field({"apiVersion": "v1", "kind": "Service", **value}, ""))}, dict))

    assert notes() == []
    assert notes(type="NodePort") == [f"x: kubectl-create set type=NodePort{STAYS}"]
    assert notes(securityContext={"runAsUser": 0}) == [
        f'x: kubectl-create set securityContext={{"runAsUser": 0}}{STAYS}'
    ]
