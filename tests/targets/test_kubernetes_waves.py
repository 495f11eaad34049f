"""The order in which objects are applied, and which are applied in parallel."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.release import Step
from shipit.targets.kubernetes.steps import ApplyObject, DeleteObject, RemoveObject, ReplaceObject, WidenApplySet
from shipit.targets.kubernetes.waves import ordered, rank, waves_of


def manifest(kind: str, name: str = "a") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


def apply(kind: str, name: str = "a") -> Step:
    return ApplyObject(f"apply {kind}/{name}", "apply", manifest=manifest(kind, name))


def ids(steps: list[Step]) -> list[list[str]]:
    return [[step.id for step in wave] for wave in waves_of(steps)]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("Namespace", "ServiceAccount"),
        ("CustomResourceDefinition", "Widget"),
        ("ServiceAccount", "Secret"),
        ("Role", "RoleBinding"),
        ("ClusterRole", "ClusterRoleBinding"),
        ("ResourceQuota", "Deployment"),
        ("ConfigMap", "Deployment"),
        ("Secret", "Pod"),
        ("PersistentVolumeClaim", "StatefulSet"),
        ("RoleBinding", "Deployment"),
        ("Service", "Deployment"),
        ("Deployment", "HorizontalPodAutoscaler"),
        ("Deployment", "Ingress"),
        ("Deployment", "APIService"),
        ("Deployment", "ValidatingWebhookConfiguration"),
        ("Widget", "MutatingWebhookConfiguration"),
    ],
)
def test_what_others_need_is_in_an_earlier_wave(first: str, then: str) -> None:
    assert rank(first)[0] < rank(then)[0]
    assert [item["kind"] for item in ordered([manifest(then), manifest(first)])] == [first, then]


def test_steps_of_one_wave_are_parallel_and_others_are_alone() -> None:
    widen = WidenApplySet("widen", "record", name="set")
    steps = [
        apply("Namespace"),
        widen,
        apply("ConfigMap"),
        apply("Service"),
        apply("Deployment", "a"),
        ReplaceObject("apply Pod/p", "replace", manifest=manifest("Pod", "p"), uid="1"),
        apply("Ingress"),
    ]
    assert ids(steps) == [
        ["apply Namespace/a"],
        ["widen"],
        ["apply ConfigMap/a", "apply Service/a"],
        ["apply Deployment/a", "apply Pod/p"],
        ["apply Ingress/a"],
    ]


def test_deleting_and_applying_are_never_in_one_wave() -> None:
    delete = DeleteObject("delete ConfigMap/b", "delete", manifest=manifest("ConfigMap", "b"), uid="1")
    remove = RemoveObject("remove ConfigMap/c", "remove", manifest=manifest("ConfigMap", "c"), uid="2")
    assert ids([apply("ConfigMap"), delete, remove]) == [
        ["apply ConfigMap/a"],
        ["delete ConfigMap/b"],
        ["remove ConfigMap/c"],
    ]


def test_the_order_of_the_plan_is_kept() -> None:
    steps = [apply("ConfigMap", name) for name in "cab"]
    assert [step for wave in waves_of(steps) for step in wave] == steps
    assert waves_of([]) == ()
