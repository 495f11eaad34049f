"""The keys of a workload on the real API server: it takes what they become, and nothing differs afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.servers.cluster import Cluster
from tests.servers.gateway_api import served
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit, unwrapped
from tests.targets.concise_files import CASES, NAMESPACE, rendered

pytestmark = [pytest.mark.cluster, pytest.mark.registry]
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


@pytest.mark.parametrize("name", ["security", "security-user", "security-number"])
def test_it_passes_the_level_restricted(cluster: Cluster, restricted: str, name: str) -> None:
    assert "created" in cluster.kubectl("create", "--dry-run=server", "-f", "-", data=_pod(name))


def test_an_image_with_a_user_runs_in_a_restricted_namespace_by_default(
    shipit: Shipit, cluster: Cluster, restricted: str, registry_server: RegistryServer, python_base: str
) -> None:
    shipit.env |= {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    sleeps = 'CMD ["python", "-c", "import time; time.sleep(3600)"]'
    # Neither Kubernetes nor shipit changes what is written.
    written = "$$2a$$10 $(HOME) $HOME"
    text = (
        f"app: shop\nimage: {registry_server.host}/restricted\nenv: {{HASH: '{written}'}}\n"
        f"release: [sh, -c, 'test \"$HASH\" = \"$0\"', '{written}']\n"
        f"targets:\n  k8s: {{namespace: {restricted}, grace: 0s}}\n"
    )
    shipit.write(Dockerfile=f"FROM python:3.12-alpine\n{sleeps}\n", deploy__yml=text)
    refused = shipit.run("deploy")
    assert refused.returncode == 1
    assert "its pod can't be created: Error creating: pods " in refused.stdout + refused.stderr
    assert "violates PodSecurity" in refused.stdout + refused.stderr
    note = "shop: the image shop runs as root: end its Dockerfile with USER 1000, or write security: {user: NUMBER}"
    assert note in shipit.run("plan").stdout
    # The user is that of the base image: only the image tells.
    shipit.write(deploy__yml=text.replace("grace: 0s", "grace: 0s, security: restricted"))
    refused = shipit.run("plan")
    assert refused.returncode == 2
    assert "Deployment/shop: shop may not be root, and its image runs as root" in unwrapped(refused.stderr)
    shipit.write(deploy__yml=text)
    shipit.write(Dockerfile=f"FROM python:3.12-alpine\nUSER 1000\n{sleeps}\n")
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout
    assert "runs as root" not in done.stdout
    assert cluster.kubectl("exec", "-n", restricted, "deployment/shop", "--", "id", "-u").strip() == "1000"
    shown = cluster.kubectl("exec", "-n", restricted, "deployment/shop", "--", "sh", "-c", 'echo "$HASH"')
    assert shown.strip() == written


def test_what_is_turned_off_does_not_pass(cluster: Cluster, restricted: str) -> None:
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        cluster.kubectl("create", "--dry-run=server", "-f", "-", data=_pod("security-loose"))
