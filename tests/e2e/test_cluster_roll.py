"""Pods of the real cluster follow the ConfigMaps and Secrets that they use."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.pipeline.prepare import prepare
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.place import find_context
from shipit.targets.kubernetes.server import ApiServer
from shipit.targets.kubernetes.users import names_in_use
from tests import runs
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


def test_what_revisions_without_pods_use_is_in_use(shop: Shop) -> None:
    """A StatefulSet keeps its revisions as ControllerRevisions, a Deployment as ReplicaSets."""
    whole = using(replicas=0)
    database = {**using(replicas=0), "kind": "StatefulSet", "metadata": {"name": "db"}}
    database["spec"] = {key: value for key, value in database["spec"].items() if key != "strategy"} | {
        "serviceName": "db"
    }
    database["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "only-db"}}]
    maps = config_map("1"), config_map("1", "only-db"), config_map("1", "unused")
    code, finished = shop.deploy(*maps, secret("canary-1"), whole, database)
    assert code == 0, finished.reason
    environment = runs.environment(shop.folder, **shop.variables())
    clock = Clock()
    with closing(ApiServer(find_context(environment, None), environment)) as server:
        client = KubernetesClient(server, Deadline(clock, clock.now() + 60), lambda event: None)
        used = names_in_use(client, shop.namespace, clock, has_revisions=True)
        without = names_in_use(client, shop.namespace, clock, has_revisions=False)
    assert used is not None and used >= {"ConfigMap/settings", "ConfigMap/only-db", "Secret/own"}
    assert "ConfigMap/unused" not in used
    assert without is not None and "ConfigMap/only-db" not in without
