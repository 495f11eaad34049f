"""What `shipit render` prints is taken by the real kubectl, and is what a deploy applies."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.cluster, pytest.mark.registry]

NAMESPACE = "rendered"
TEXT = """\
app: shop
image: {repository: HOST/rendered, tags: [v1]}
env: {VERSION: "1.10", ANSWER: "no", EXPONENT: 1e3, DATE: "2026-01-31"}
secrets: {TOKEN: {env: TOKEN}}
targets:
  k8s: {namespace: rendered, workloads: {web: {port: 3000, host: shop.example.com, memory: 64Mi, scale: {min: 1, max: 3, cpu: 70}}}}
"""


@pytest.fixture
def app(shipit: Shipit, cluster: Cluster, registry_server: RegistryServer) -> Iterator[Shipit]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    shipit.env |= {"KUBECONFIG": str(cluster.kubeconfig), "TOKEN": "canary-secret-4711"}
    shipit.write(
        deploy__yml=TEXT.replace("HOST", registry_server.host),
        Dockerfile='FROM scratch\nCOPY app /\nCMD ["/app"]\n',
        app="#!/bin/true\n",
    )
    yield shipit
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_kubectl_takes_the_manifests(app: Shipit, cluster: Cluster) -> None:
    done = app.run("render", "k8s")
    assert done.returncode == 0, done.stderr
    said = cluster.kubectl("-n", NAMESPACE, "apply", "--dry-run=server", "-f", "-", data=done.stdout)
    assert sorted(re.findall(r"(?m)^(\S+)/\S+ created", said)) == [
        "configmap",
        "deployment.apps",
        "horizontalpodautoscaler.autoscaling",
        "ingress.networking.k8s.io",
        "service",
    ]
    assert "canary-secret-4711" not in done.stdout
    assert re.search(r'image: "\S+/rendered@sha256:[0-9a-f]{64}"', done.stdout)
