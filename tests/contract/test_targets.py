"""Every kind keeps the contract: a registry, Heroku, a cluster; test_memory.py has the one of another package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.testing.case import SECRETS, Case
from shipit.testing.contract import TargetContract
from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP

SERVING: dict[str, Any] = {"source": "app.py", "source_text": SERVING_APP, "port": 8000}
_TYPES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")


class Tags:
    """The manifests of one repository, asked for and tagged over HTTP. `first` is what `latest` named at the first look."""

    def __init__(self, host: str, name: str) -> None:
        self._url = f"http://{host}/v2/{name}/manifests"
        self.first = ""

    def latest(self) -> str:
        answer = requests.head(f"{self._url}/latest", headers={"Accept": ", ".join(_TYPES)}, timeout=10)
        digest = answer.headers.get("Docker-Content-Digest", "") if answer.ok else ""
        self.first = self.first or digest
        return digest

    def move_back(self) -> None:
        found = requests.get(f"{self._url}/{self.first}", headers={"Accept": ", ".join(_TYPES)}, timeout=10)
        headers = {"Content-Type": found.headers["Content-Type"]}
        requests.put(f"{self._url}/latest", data=found.content, headers=headers, timeout=10).raise_for_status()


@pytest.fixture
def heroku_case(tmp_path: Path) -> Iterator[Case]:
    with HerokuStandIn(token="token-of-heroku") as heroku:
        app = heroku.create_app("app-prod")
        text = f"app: app\nimage: {{build: .}}\n{SECRETS}targets: {{heroku: {{app: app-prod, settle: 0s}}}}\n"

        seen: list[str] = []

        def latest() -> str:
            """Heroku runs what was released: no tag moves for it, and the first image is remembered."""
            seen.append(str(app.formation["web"]["image"]))
            return ""

        def patch(path: str, body: object) -> None:
            accept = "application/vnd.heroku+json; version=3.docker-releases"
            headers = {"Authorization": "Bearer token-of-heroku", "Accept": accept}
            url = f"http://{heroku.host}/apps/app-prod/{path}"
            requests.patch(url, json=body, headers=headers, timeout=10).raise_for_status()

        def replace() -> None:
            """A release of the image of the first deploy, through the API."""
            patch("formation", {"updates": [{"type": "web", "docker_image": seen[0]}]})

        def reset() -> None:
            patch("config-vars", {"MODE": "rival"})

        def writes() -> int:
            return sum(method not in ("GET", "HEAD") for method, _ in heroku.log)

        with Case(
            tmp_path, text, writes, replace, heroku.variables(), reset, latest, **SERVING, dockerfile=PYTHON_DOCKERFILE
        ) as case:
            yield case


@pytest.fixture
def registry_case(tmp_path: Path) -> Iterator[Case]:
    with EmbeddedRegistry() as registry:
        text = f"app: app\nimage: {registry.host}/app\n{SECRETS}targets: {{hub: {{settle: 0s}}}}\n"
        tags = Tags(registry.host, "app")

        def writes() -> int:
            return sum(method not in ("GET", "HEAD") for method, _ in registry.log)

        with Case(tmp_path, text, writes, tags.move_back, latest=tags.latest, has_steps=False) as case:
            yield case


@pytest.fixture
def real_registry_case(tmp_path: Path, registry_server: RegistryServer) -> Iterator[Case]:
    name = f"contract-{tmp_path.name.replace('_', '-').lower()}"
    text = f"app: app\nimage: {registry_server.host}/{name}\n{SECRETS}targets: {{hub: {{settle: 0s}}}}\n"
    tags = Tags(registry_server.host, name)

    def writes() -> int:
        """Differs after each write of the repository's files, also of the same content."""
        files = (registry_server.data / "docker/registry/v2/repositories" / name).rglob("*")
        return hash(tuple(sorted((str(file), file.stat().st_mtime_ns) for file in files)))

    with Case(tmp_path, text, writes, tags.move_back, latest=tags.latest, has_steps=False) as case:
        yield case


@pytest.fixture
def cluster_case(tmp_path: Path, cluster: Cluster, registry_server: RegistryServer, python_base: str) -> Iterator[Case]:
    name = f"contract-{tmp_path.name.replace('_', '-').strip('-')}"[:50].strip("-").lower()
    cluster.kubectl("create", "namespace", name)
    text = f"app: app\nimage: {registry_server.host}/{name}\n{SECRETS}targets: {{k8s: {{namespace: {name}, port: 8000, grace: 1s, settle: 0s}}}}\n"
    variables = {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    tags = Tags(registry_server.host, name)

    def writes() -> int:
        """Differs after each write. A status, which the cluster itself writes, changes the version of a Deployment."""
        path = "jsonpath={range .items[*]}{.metadata.resourceVersion} {end}"
        versions = cluster.kubectl("-n", name, "get", "services,secrets", "-o", path)
        path = "jsonpath={range .items[*]}{.metadata.generation} {.metadata.annotations} {.metadata.labels} {end}"
        return hash(versions + cluster.kubectl("-n", name, "get", "deployments", "-o", path))

    def replace() -> None:
        image = f"{registry_server.host}/{name}@{tags.first}"
        cluster.kubectl("-n", name, "set", "image", "deployment/app", f"app={image}")

    def reset() -> None:
        cluster.kubectl("-n", name, "set", "env", "deployment/app", "MODE=rival")

    base = PYTHON_DOCKERFILE.replace("scratch", "python:3.12-alpine")

    def more(text: str) -> str:
        """A second workload, which has a Deployment."""
        workloads = "workloads: {app: {port: 8000, grace: 1s}, second: {grace: 1s, command: [sleep, '9999']}}"
        return text.replace("port: 8000, grace: 1s", workloads)

    with Case(
        tmp_path,
        text,
        writes,
        replace,
        variables,
        reset,
        tags.latest,
        "kubectl-set",
        **SERVING,
        dockerfile=base,
        more=more,
        left="Deployment/second",
    ) as case:
        yield case


_CLUSTER = pytest.param("cluster", marks=[pytest.mark.registry, pytest.mark.cluster])
KINDS = ["heroku", "registry", pytest.param("real_registry", marks=pytest.mark.registry), _CLUSTER]


class TestKinds(TargetContract):
    """The contract, with a place of each kind."""

    @pytest.fixture(params=KINDS)
    def case(self, request: pytest.FixtureRequest) -> Case:
        found: Case = request.getfixturevalue(f"{request.param}_case")
        return found
