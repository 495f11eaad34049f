"""A namespace that a deploy creates, on the real cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.registry, pytest.mark.cluster]

NAME = "made-by-shipit"
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n"
RESTRICTED = "pod-security.kubernetes.io/warn: restricted"


def project(shipit: Shipit, registry: RegistryServer, namespace: str) -> None:
    shipit.write(
        deploy__yml="app: made\ntargets:\n  k8s:\n    settle: 0s\n    manifests: [settings.yml]\n"
        f"    namespace: {namespace}\n",
        settings__yml=SETTINGS,
    )


@pytest.fixture
def missing(cluster: Cluster, shipit: Shipit) -> Iterator[str]:
    """The name of a namespace that is not there; it is deleted afterwards."""
    cluster.kubectl("delete", "namespace", NAME, "--ignore-not-found", "--timeout=240s")
    shipit.env["KUBECONFIG"] = str(cluster.kubeconfig)
    yield NAME
    cluster.kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false")


def labels(cluster: Cluster) -> dict[str, str]:
    found = json.loads(cluster.kubectl("get", "namespace", NAME, "-o", "json"))
    return dict(found["metadata"]["labels"])


def test_a_namespace_is_created_first_with_its_labels_and_stays(
    shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, missing: str
) -> None:
    project(shipit, registry_server, f"{{name: {missing}, create: true, labels: {{team: shop, {RESTRICTED}}}}}")
    planned = shipit.run("plan")
    assert planned.returncode == 0, planned.stderr
    lines = [line.strip() for line in planned.stdout.splitlines()]
    assert next(line for line in lines if line.startswith("+")).startswith(f"+ create Namespace/{missing}"), lines
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert labels(cluster)["team"] == "shop"
    assert labels(cluster)["pod-security.kubernetes.io/warn"] == "restricted"
    assert shipit.run("plan", "--exit-code").returncode == 0, "unchanged"

    cluster.kubectl("label", "namespace", missing, "others=theirs")
    project(shipit, registry_server, f"{{name: {missing}, create: true, labels: {{team: other}}}}")
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    found = labels(cluster)
    assert (found["team"], found["others"]) == ("other", "theirs")
    assert "pod-security.kubernetes.io/warn" not in found, "a label that left the file leaves the namespace"

    project(shipit, registry_server, missing)
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert labels(cluster)["others"] == "theirs", "the namespace stays"


def test_a_namespace_is_not_created_unasked(
    shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, missing: str
) -> None:
    project(shipit, registry_server, missing)
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert f"there is no namespace '{missing}'" in done.stderr
    assert f"or write namespace: {{name: {missing}, create: true}}" in done.stderr


def test_a_user_who_may_not_read_namespaces_can_deploy(
    shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, missing: str
) -> None:
    cluster.kubectl("create", "namespace", missing)
    rule = ["--verb=get,list,watch,create,patch,delete", "--resource=configmaps,pods,pods/log,replicasets.apps"]
    cluster.kubectl("-n", missing, "create", "role", "few", *rule)
    cluster.kubectl("-n", missing, "create", "rolebinding", "few", "--role=few", "--user=jane")
    project(shipit, registry_server, f"{missing}\n    impersonate: jane")
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(cluster.kubectl("-n", missing, "get", "configmap", "settings", "-o", "json"))
    assert found["data"] == {"a": "1"}
