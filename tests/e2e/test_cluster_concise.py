"""The keys of a workload on the real API server: it takes what they become, and nothing differs afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.servers.cluster import Cluster
from tests.servers.gateway_api import served
from tests.targets.concise_files import CASES, NAMESPACE, rendered

pytestmark = [pytest.mark.cluster]
RESTRICTED = "concise-restricted"


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def restricted(cluster: Cluster) -> Iterator[str]:
    cluster.kubectl("create", "namespace", RESTRICTED)
    cluster.kubectl("label", "namespace", RESTRICTED, "pod-security.kubernetes.io/enforce=restricted")
    yield RESTRICTED
    cluster.kubectl("delete", "namespace", RESTRICTED, "--wait=false")


def test_the_server_takes_the_objects_of_every_key(cluster: Cluster, namespace: str) -> None:
    objects = [item for case in CASES for item in rendered(case)]
    with served(cluster):
        said = cluster.kubectl(
            "apply", "--server-side", "--dry-run=server", "-f", "-", data=yaml.safe_dump_all(objects)
        )
    assert said.count("serverside-applied") == len(objects) > 50


def _pod(name: str) -> str:
    """The pod of a workload of the case `security`, for the restricted namespace."""
    case = next(case for case in CASES if case.stem == "security")
    objects = rendered(case)
    template = next(item for item in objects if item["kind"] == "Deployment" and item["metadata"]["name"] == name)
    own = template["spec"]["template"]
    metadata = {**own["metadata"], "name": name, "namespace": RESTRICTED}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": own["spec"]})


@pytest.mark.parametrize("name", ["security", "security-user"])
def test_restricted_passes_the_level_of_that_name(cluster: Cluster, restricted: str, name: str) -> None:
    assert "created" in cluster.kubectl("create", "--dry-run=server", "-f", "-", data=_pod(name))


def test_what_is_turned_off_does_not_pass(cluster: Cluster, restricted: str) -> None:
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        cluster.kubectl("create", "--dry-run=server", "-f", "-", data=_pod("security-loose"))
