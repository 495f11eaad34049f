"""Two deploys of different versions, started together on the real cluster: one consistent outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.web_place import DOCKERFILE, SERVER
from tests.sampled import is_deep
from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.registry, pytest.mark.cluster]
NAMESPACE = "two-deploys-started-together"
_ROUNDS = 4 if is_deep() else 2
TEXT = """\
app: shop
image: HOST/NAMESPACE
env: {VERSION: "NOTE"}
targets:
  k8s:
    namespace: NAMESPACE
    settle: 3s
    workloads:
      web: {port: 8000, replicas: 2, grace: 1s, files: {/etc/version: version.txt}}
      worker: {grace: 1s, command: [sleep, "99999"]}
    manifests: [settings.json]
"""


class Deployer:
    """A project of the same app in a folder of its own, and its deploy as a process."""

    def __init__(self, folder: Path, host: str, env: dict[str, str]) -> None:
        self.shipit = Shipit(folder / "project", folder / "home")
        self.shipit.env |= env
        self._host = host

    def write(self, note: str) -> None:
        settings = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings"},
            "data": {"version": note},
        }
        text = TEXT.replace("HOST", self._host).replace("NAMESPACE", NAMESPACE).replace("NOTE", note)
        self.shipit.write(
            Dockerfile=DOCKERFILE,
            app__py=SERVER.replace("CHANGE", f"VERSION = {note!r}"),
            version__txt=note,
            settings__json=json.dumps(settings),
            deploy__yml=text,
        )


@pytest.fixture
def deployers(
    tmp_path: Path, cluster: Cluster, registry_server: RegistryServer, python_base: str
) -> Iterator[tuple[Deployer, Deployer]]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    env = {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    one, two = (tmp_path / name for name in ("one", "two"))
    for folder in (one, two):
        (folder / "project").mkdir(parents=True)
    yield Deployer(one, registry_server.host, env), Deployer(two, registry_server.host, env)


def running(cluster: Cluster) -> tuple[set[str], set[str]]:
    """The versions that the objects say, and the images of the Deployments."""
    found = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "deployments,configmaps", "-o", "json"))["items"]
    versions, images = set[str](), set[str]()
    for item in found:
        if item["kind"] == "Deployment":
            [container] = item["spec"]["template"]["spec"]["containers"]
            images.add(container["image"])
            versions |= {row["value"] for row in container["env"] if row["name"] == "VERSION"}
        elif item["metadata"]["name"] == "settings":
            versions.add(item["data"]["version"])
    return versions, images


def latest(host: str) -> str:
    url = f"http://{host}/v2/{NAMESPACE}/manifests/latest"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    return requests.head(url, headers=accept, timeout=30).headers["Docker-Content-Digest"]


@pytest.mark.sampled
def test_what_is_called_healthy_is_one_version_and_the_next_deploy_converges(
    deployers: tuple[Deployer, Deployer], cluster: Cluster, registry_server: RegistryServer
) -> None:
    for number in range(_ROUNDS):
        notes = [f"{number}-{name}" for name in ("one", "two")]
        for deployer, note in zip(deployers, notes, strict=True):
            deployer.write(note)
        # Both plan before either changes anything, or not: every order is a valid one.
        processes = [deployer.shipit.start("deploy") for deployer in deployers]
        outputs = [process.communicate(timeout=600) for process in processes]
        codes = [process.returncode for process in processes]
        said = "\n".join(f"{code}: {out}{err}" for code, (out, err) in zip(codes, outputs, strict=True))
        assert set(codes) <= {0, 1}, said
        versions, images = running(cluster)
        if 0 in codes:
            assert len(versions) == len(images) == 1, f"{versions} {images}\n{said}"
            healthy = {note for note, code in zip(notes, codes, strict=True) if code == 0}
            assert versions <= healthy, f"{versions} runs, and {healthy} was called healthy\n{said}"
            # Both write a tag that does not exist yet; one that exists is moved by what is healthy only.
            if codes.count(0) == 1 and number:
                assert next(iter(images)).endswith(latest(registry_server.host)), f"latest is not what runs\n{said}"
        for (out, err), code in zip(outputs, codes, strict=True):
            is_told = any(
                word in out + err
                for word in ("since the plan", "superseded", "another deploy", "it is locked by deploy")
            )
            assert code == 0 or is_told, f"a deploy that fails says that another one was there\n{said}"
        last = deployers[number % 2].shipit.run("deploy", timeout_s=600)
        assert last.returncode == 0, last.stdout + last.stderr
        assert running(cluster)[0] == {notes[number % 2]}
