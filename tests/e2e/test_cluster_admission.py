"""Bare Pods that an admission webhook of the real cluster changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipit.pipeline.prepare import prepare
from tests.e2e.test_cluster_changes import Object, Shop, shop
from tests.servers.cluster import PAUSE, Cluster
from tests.servers.webhook import Patch, changing_pods

__all__ = ["shop"]
pytestmark = pytest.mark.cluster
WHOLE: Patch = [
    {"op": "replace", "path": "/spec/containers/0/env/0/value", "value": "of the webhook"},
    {"op": "replace", "path": "/spec/terminationGracePeriodSeconds", "value": 1},
    {"op": "add", "path": "/metadata/labels/team", "value": "webhook"},
    {"op": "replace", "path": "/metadata/labels/app", "value": "of-the-webhook"},
    {"op": "add", "path": "/spec/tolerations/0", "value": {"key": "first", "operator": "Exists"}},
    {"op": "add", "path": "/spec/containers/0/args/0", "value": "--of-the-webhook"},
]


def pod(mode: str, **more: Any) -> Object:
    container = {
        "name": "lone",
        "image": PAUSE,
        "imagePullPolicy": "Never",
        "command": ["/busybox", "sh", "-c", "sleep 9999"],
        "args": ["--own"],
        "env": [{"name": "MODE", "value": mode}],
    }
    spec = {
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"key": "own", "operator": "Exists"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lone", "labels": {"app": "lone"}, **more},
        "spec": spec,
    }


def uid(shop: Shop) -> str:
    return str(shop.get("pod/lone")["metadata"]["uid"])


@pytest.mark.parametrize("operations", [("CREATE",), ("CREATE", "UPDATE")], ids="-".join)
def test_a_bare_pod_that_a_webhook_changed_is_replaced_only_when_its_manifest_changes(
    shop: Shop, cluster: Cluster, tmp_path: Path, operations: tuple[str, ...]
) -> None:
    with changing_pods(cluster, tmp_path / "webhook", shop.namespace, WHOLE, operations):
        code, finished = shop.deploy(pod("one"))
        assert code == 0, finished.reason
        live = shop.get("pod/lone")
        assert live["spec"]["containers"][0]["env"] == [{"name": "MODE", "value": "of the webhook"}]
        first = live["metadata"]["uid"]
        assert prepare(shop.run(pod("one"))[0]).plan.targets[0].steps == ()
        code, finished = shop.deploy(pod("one"))
        assert (code, finished.state, uid(shop)) == (0, "unchanged", first), finished.reason
        code, finished = shop.deploy(pod("two"))
        assert code == 0, finished.reason
        assert (second := uid(shop)) != first
        code, finished = shop.deploy(pod("two"))
        assert (code, finished.state, uid(shop)) == (0, "unchanged", second), finished.reason


def test_what_somebody_changes_in_a_pod_that_a_webhook_changed_is_set_back(
    shop: Shop, cluster: Cluster, tmp_path: Path
) -> None:
    with changing_pods(cluster, tmp_path / "webhook", shop.namespace, WHOLE):
        assert shop.deploy(pod("one"))[0] == 0
        first = uid(shop)
        shop.patch("pod/lone", {"metadata": {"labels": {"app": "theirs"}}})
        [step] = prepare(shop.run(pod("one"))[0]).plan.targets[0].steps
        assert any("metadata.labels.app  theirs -> lone, set by kubectl-edit" in line for line in step.detail), step
        code, finished = shop.deploy(pod("one"))
        assert code == 0, finished.reason
        assert shop.get("pod/lone")["metadata"]["labels"]["app"] == "of-the-webhook"
        assert uid(shop) != first
        assert shop.deploy(pod("one"))[1].state == "unchanged"
