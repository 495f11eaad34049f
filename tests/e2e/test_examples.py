"""The apps under examples/, deployed as they stand to a real registry, a real cluster and the Heroku stand-in."""

from __future__ import annotations

from urllib.request import urlopen

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.sampled import sampled
from tests.servers.cluster import Cluster
from tests.servers.engine import DockerEngine
from tests.servers.hub import DockerHub
from tests.servers.registry import RegistryServer
from tests.shipit import ROOT, Shipit

pytestmark = [pytest.mark.cluster, pytest.mark.engine, pytest.mark.registry]

EXAMPLES = sorted(folder.name for folder in (ROOT / "examples").iterdir() if folder.is_dir())
BASES = {"express": "node:alpine", "hello-world": "hello-world:latest", "nginx": "nginx:alpine"}
SERVED = {"express": (3000, "hello from express"), "nginx": (80, "hello from nginx")}


@pytest.mark.sampled
@pytest.mark.parametrize("example", sampled(EXAMPLES, 3, of="examples"))
def test_an_example_deploys_and_then_has_nothing_to_do(
    shipit: Shipit,
    cluster: Cluster,
    engine: DockerEngine,
    registry_server: RegistryServer,
    docker_hub: DockerHub,
    example: str,
) -> None:
    shipit.copy(example)
    with HerokuStandIn(token="token-of-heroku") as heroku:
        heroku.create_app(f"{example}-prod")
        base = BASES.get(example, "python:3.12-alpine")
        shipit.env |= {
            **heroku.variables(),
            "KUBECONFIG": str(cluster.kubeconfig),
            "DOCKER_HOST": engine.host,
            "REPOSITORY": f"{registry_server.host}/examples/{example}",
            "SECRET_KEY": "a-secret-of-the-examples",
            "SHIPIT_MIRRORS": f"docker.io={docker_hub.having(base)}",
        }
        done = shipit.run("deploy")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "a-secret-of-the-examples" not in done.stdout + done.stderr
        again = shipit.run("deploy")
        assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout + again.stderr
    if example in SERVED:
        check_served(cluster, example, *SERVED[example])
    if example == "hello-world":
        assert "Hello from Docker!" in cluster.kubectl("logs", "pod/hello-world")


def check_served(cluster: Cluster, app: str, port: int, said: str) -> None:
    """Ask every pod of an app."""
    where = "jsonpath={.items[*].status.podIP}"
    addresses = cluster.kubectl("get", "pods", "-l", f"app.kubernetes.io/name={app}", "-o", where).split()
    assert addresses
    for address in addresses:
        with urlopen(f"http://{address}:{port}/", timeout=10) as answer:
            assert said in answer.read().decode()
