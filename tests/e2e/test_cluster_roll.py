"""Pods of the real cluster follow the ConfigMaps and Secrets that they use."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.pipeline.prepare import prepare
from tests.e2e.test_cluster_changes import Object, Shop, config_map, deployment, shop

__all__ = ["shop"]
pytestmark = pytest.mark.cluster


def secret(value: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": {"password": value}}


def using(**spec: Any) -> Object:
    """The Deployment web, whose pods use ConfigMap/settings in the environment and Secret/own as files."""
    whole = deployment("one")
    pod = whole["spec"]["template"]["spec"]
    pod["containers"][0] |= {
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "volumeMounts": [{"name": "own", "mountPath": "/own", "readOnly": True}],
    }
    pod["volumes"] = [{"name": "own", "projected": {"sources": [{"secret": {"name": "own"}}]}}]
    whole["spec"] |= spec
    return whole


def pod_of(shop: Shop) -> str:
    """The only pod that is not on its way out."""
    return shop.kubectl("get", "replicasets", "-o", "jsonpath={.items[?(@.spec.replicas==1)].metadata.uid}")


def test_a_changed_config_map_or_secret_replaces_the_pods_that_use_it(shop: Shop) -> None:
    assert shop.deploy(config_map("1"), config_map("1", "other"), secret("canary-1"), using())[0] == 0
    first = pod_of(shop)
    assert shop.deploy(config_map("1"), config_map("2", "other"), secret("canary-1"), using())[0] == 0
    assert pod_of(shop) == first, "nothing uses the other one"
    changes = {
        "ConfigMap settings": (config_map("2"), secret("canary-1")),
        "Secret own": (config_map("2"), secret("canary-2")),
    }
    for name, sources in changes.items():
        wanted = [*sources, config_map("2", "other"), using()]
        before = pod_of(shop)
        steps = prepare(shop.run(*wanted)[0]).plan.targets[0].steps
        assert steps[-1].detail == (f"rolls: {name} changed",)
        code, finished = shop.deploy(*wanted)
        assert code == 0, finished.reason
        assert pod_of(shop) != before
        assert shop.deploy(*wanted)[1].state == "unchanged"
    assert "canary" not in shop.kubectl("get", "deployments,configmaps,pods", "-o", "json")
