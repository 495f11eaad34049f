"""Whose count of replicas it is when the autoscaler that set it is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.gone_autoscalers import still_gone, without_gone
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.pages import Listed
from shipit.targets.kubernetes.parse import parse_live

SCALED, KEDA = "HorizontalPodAutoscaler", "ScaledObject"
OF_WEB = {
    "metadata": {"name": "own"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
}
OF_OTHER = {
    "metadata": {"name": "own"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}},
}
OF_KEDA = {"metadata": {"name": "own"}, "spec": {"scaleTargetRef": {"name": "web"}}}


class Listing(KubernetesClient):
    """A client of a cluster with these autoscalers by kind; None where they may not be listed."""

    def __init__(self, rows: Mapping[str, list[Any] | None]) -> None:
        self.rows = rows

    def list_path(self, version: str, kind: str, namespace: str) -> str:
        return kind if kind in self.rows else ""

    def read_list(self, path: str, query: Any, parse: Callable[[Field], Any]) -> Listed[Any]:
        rows = self.rows[path]
        if rows is None:
            raise RemoteError("forbidden", status=403)
        return Listed([parse(Field(row, "")) for row in rows], "")


def web() -> Live:
    fields: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    row = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale", "fieldsV1": fields}
    metadata = {"name": "web", "managedFields": [row]}
    value = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 5}}
    return parse_live(Field(value, ""))


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ({SCALED: [OF_WEB]}, "kube-controller-manager"),
        ({SCALED: [OF_OTHER]}, "an autoscaler that is gone"),
        ({SCALED: [], KEDA: []}, "an autoscaler that is gone"),
        # KEDA removes the autoscaler of an object that is paused.
        ({SCALED: [], KEDA: [OF_KEDA]}, "kube-controller-manager"),
        ({SCALED: None}, "kube-controller-manager"),
        ({SCALED: [], KEDA: None}, "kube-controller-manager"),
        ({}, "kube-controller-manager"),
    ],
)
def test_a_count_is_an_autoscalers_as_long_as_that_may_be_there(
    rows: Mapping[str, list[Any] | None], name: str
) -> None:
    desired = cast(Desired, SimpleNamespace(namespace="prod", identities=lambda: ()))
    found = without_gone({"Deployment/web": web()}, desired, Listing(rows))["Deployment/web"]
    assert found is not None and [manager.name for manager in found.meta.managers] == [name]


def test_an_object_that_changes_meanwhile_has_no_autoscaler_either() -> None:
    desired = cast(Desired, SimpleNamespace(namespace="prod", identities=lambda: ()))
    gone, there = (
        without_gone({"Deployment/web": web()}, desired, Listing({SCALED: rows}))["Deployment/web"]
        for rows in ([], [OF_WEB])
    )
    assert [manager.name for manager in still_gone(web(), gone).meta.managers] == ["an autoscaler that is gone"]
    assert still_gone(web(), there) == web() and still_gone(web(), None) == web()
