"""Kubernetes on the real cluster: what is applied, and how it fails, read as a user would."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.cluster import PAUSE, Cluster, namespace_of
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit
from tests.waits import SOON_S

pytestmark = [pytest.mark.registry, pytest.mark.cluster]

Start = Callable[..., None]
DOCKERFILE = "FROM python:3.12-alpine\nCOPY . /app\nWORKDIR /app\nCMD {command}\n"
SERVE = '["python", "-m", "http.server", "8000", "--bind", "0.0.0.0"]'


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = namespace_of(request.node)
    cluster.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def app(shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, python_base: str, namespace: str) -> Start:
    """Writes a project whose image ends in a command, with the given YAML under the target."""
    shipit.env |= {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}

    def start(target: str, command: str = SERVE, more: str = "") -> None:
        text = f"app: {namespace}\nimage: {registry_server.host}/{namespace}\n{more}\ntargets:\n  k8s:\n    namespace: {namespace}\n"
        text += "".join(f"    {line}\n" for line in target.splitlines())
        shipit.write(Dockerfile=DOCKERFILE.format(command=command), deploy__yml=text)

    return start


def test_a_container_that_crashes(shipit: Shipit, app: Start, cluster: Cluster, namespace: str) -> None:
    app("port: 8000\ngrace: 1s", command='["python", "-c", "print(1); raise SystemExit(\'no DATABASE_URL\')"]')
    started = time.monotonic()
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "exited with 1 (Error)" in done.stdout
    assert "| no DATABASE_URL" in done.stdout
    assert "hint: the lines above are the last it wrote" in done.stdout
    assert time.monotonic() - started < SOON_S, "it fails in seconds, not at a deadline"
    assert any(line.startswith("failed: 1 of 1 targets failed in ") for line in done.stdout.splitlines()[-3:])
    assert done.stdout.splitlines()[-1] == "        next: shipit deploy k8s"


def test_an_image_that_cannot_be_pulled(shipit: Shipit, app: Start, cluster: Cluster, namespace: str) -> None:
    app("manifests: [pod.yml]")
    shipit.write(
        pod__yml=json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "gone"},
                "spec": {"containers": [{"name": "gone", "image": "127.0.0.1:1/nowhere/gone:v1"}]},
            }
        )
    )
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "gone can't pull its image, which was tried " in done.stdout, done.stdout
    assert "connection refused" in done.stdout
    assert "hint: check that the cluster can reach the registry" in done.stdout


def test_an_image_that_its_registry_does_not_have_is_told_at_once(
    shipit: Shipit, app: Start, cluster: Cluster, namespace: str, registry_server: RegistryServer
) -> None:
    app("manifests: [pod.yml]")
    image = f"{registry_server.host}/nobody/pushed-this@sha256:{'0' * 64}"
    containers = [
        {"name": "waits", "image": PAUSE, "imagePullPolicy": "Never"},
        {"name": "gone", "image": image},
    ]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gone"}, "spec": {"containers": containers}}
    shipit.write(pod__yml=json.dumps(pod))
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "Pod/gone: gone of gone can't pull its image: the registry does not have it (" in done.stdout, done.stdout
    assert "hint: was it deleted from the registry" in done.stdout


def test_a_namespace_that_is_missing(shipit: Shipit, app: Start, cluster: Cluster, namespace: str) -> None:
    app("port: 8000\ngrace: 1s")
    text = (shipit.folder / "deploy.yml").read_text()
    (shipit.folder / "deploy.yml").write_text(text.replace(f"namespace: {namespace}", "namespace: nowhere"))
    done = shipit.run("deploy")
    assert done.returncode == 1
    # The build beside it may end, and be told, a moment later.
    lines = done.stderr.splitlines()
    at = lines.index(
        "hint: create it: kubectl create namespace nowhere, or write namespace: {name: nowhere, create: true}"
    )
    assert lines[at - 1].endswith("there is no namespace 'nowhere'")


def test_a_cluster_that_cannot_be_reached(shipit: Shipit, app: Start, cluster: Cluster, tmp_path: Path) -> None:
    app("port: 8000\ngrace: 1s")
    # A port that is bound and does not listen: no other server can take it meanwhile.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        config = cluster.kubeconfig.read_text().replace(cluster.server, f"https://127.0.0.1:{probe.getsockname()[1]}")
        (tmp_path / "kubeconfig").write_text(config)
        shipit.env["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        done = shipit.run("plan")
    assert done.returncode == 1, done.stdout
    assert "the cluster can't be reached" in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1] == "hint: is it running? check it with kubectl cluster-info"


def test_a_pod_that_fits_nowhere(shipit: Shipit, app: Start, cluster: Cluster) -> None:
    app("port: 8000\ngrace: 1s\ncpu: 99\npending: 3s")
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "Insufficient cpu" in done.stdout
    assert "no progress for " in done.stdout
    assert "hint: ask for less cpu or memory, or add nodes" in done.stdout


def test_secrets_release_command_and_pull_secret(
    shipit: Shipit, app: Start, cluster: Cluster, namespace: str, registry_server: RegistryServer
) -> None:
    more = "env: {GREETING: hi}\nsecrets: {TOKEN: {env: MY_TOKEN}}\nrelease: echo migrated with $GREETING $TOKEN"
    app("port: 8000\ngrace: 1s\npull_secret: true", more=more)
    home = Path(shipit.env["HOME"])
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text(
        json.dumps({"auths": {registry_server.host: {"auth": "dXNlcjpwYXNzd29yZA=="}}})
    )
    shipit.env["MY_TOKEN"] = "canary-4711"
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "release | migrated with hi [redacted]" in done.stderr
    assert "canary" not in done.stdout + done.stderr
    is_version = ["get", "secret", "-l", "shipit.dev/version-of", "-o", "jsonpath={.items[*].data.TOKEN}"]
    assert cluster.kubectl("-n", namespace, *is_version) == "Y2FuYXJ5LTQ3MTE="
    kind = cluster.kubectl("-n", namespace, "get", "secret", f"{namespace}-pull", "-o", "jsonpath={.type}")
    assert kind == "kubernetes.io/dockerconfigjson"

    again = shipit.run("plan", "--exit-code")
    assert again.returncode == 0, again.stdout
    assert again.stdout.splitlines()[-1] == "up to date: nothing to change"

    shipit.env["MY_TOKEN"] = "canary-0815"
    changed = shipit.run("plan", "--exit-code")
    assert changed.returncode == 3
    assert f"+ create Secret/{namespace}-env-" in changed.stdout
    assert "rolls: Secret" in changed.stdout
    assert "~ run echo migrated with $GREETING $TOKEN" in changed.stdout
    assert "canary" not in changed.stdout + changed.stderr


def test_a_release_command_that_fails(shipit: Shipit, app: Start, cluster: Cluster, namespace: str) -> None:
    app("port: 8000\ngrace: 1s", more="release: echo no such table; exit 3")
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "the release command failed" in done.stdout
    assert "| no such table" in done.stdout
    assert cluster.kubectl("-n", namespace, "get", "deployments", "-o", "name") == "", (
        "nothing after the gate is applied"
    )


def test_raw_manifests_and_a_bare_pod_run_the_pushed_image(
    shipit: Shipit, app: Start, cluster: Cluster, namespace: str, registry_server: RegistryServer
) -> None:
    app("workloads:\n  lone: {kind: pod, port: 8000, grace: 1s}\nmanifests: [k8s/]")
    (shipit.folder / "k8s").mkdir()
    (shipit.folder / "k8s/set.yml").write_text(
        f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{answer: "42"}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: raw}}
spec:
  serviceName: raw
  selector: {{matchLabels: {{app: raw}}}}
  template:
    metadata: {{labels: {{app: raw}}}}
    spec:
      containers:
        - name: raw
          image: {registry_server.host}/{namespace}:whatever
          resources: {{requests: {{cpu: "0.05", memory: 64Mi}}}}
"""
    )
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    images = cluster.kubectl(
        "-n", namespace, "get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}"
    ).split()
    assert len(set(images)) == 1 and "@sha256:" in images[0]
    managers = cluster.kubectl(
        "-n",
        namespace,
        "get",
        "statefulset",
        "raw",
        "--show-managed-fields",
        "-o",
        "jsonpath={.metadata.managedFields[*].manager}",
    )
    assert "shipit" in managers.split()
    assert shipit.run("plan", "--exit-code").returncode == 0

    cluster.kubectl("-n", namespace, "scale", "statefulset", "raw", "--replicas", "2")
    cluster.kubectl("-n", namespace, "patch", "configmap", "settings", "-p", '{"data": {"answer": "43"}}')
    drift = shipit.run("plan", "--exit-code")
    assert drift.returncode == 3
    assert "data.answer  43 -> 42" in drift.stdout
    assert "StatefulSet" not in drift.stdout, "replicas were never asked for"


def test_the_count_of_an_autoscaler_stays(shipit: Shipit, app: Start, cluster: Cluster, namespace: str) -> None:
    """Also when a number that was ours before becomes the autoscaler's."""

    def replicas() -> str:
        return cluster.kubectl("-n", namespace, "get", "deployment", namespace, "-o", "jsonpath={.spec.replicas}")

    app("port: 8000\ngrace: 1s\nreplicas: 3")
    assert shipit.run("deploy").returncode == 0 and replicas() == "3"
    app("port: 8000\ngrace: 1s\nreplicas: 1\nscale: {min: 2, max: 5}")
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert replicas() == "3", "how many to begin with is for a beginning"
    cluster.kubectl("-n", namespace, "scale", "deployment", namespace, "--replicas", "4")
    assert "up to date" in shipit.run("deploy").stderr
    app("port: 8000\ngrace: 1s\nreplicas: 1\nscale: {min: 2, max: 5}\nenv: {MORE: x}")
    assert shipit.run("deploy").returncode == 0 and replicas() == "4"


def test_a_workload_with_every_key_is_unchanged_after_its_deploy(
    shipit: Shipit, app: Start, cluster: Cluster, namespace: str, registry_server: RegistryServer
) -> None:
    app(
        "workloads:\n"
        "  web: {image: web, port: 8000, grace: 1s, health: /, host: shop.example.com, cpu: 0.05, memory: 0.25Gi, scale: {min: 2, max: 4, cpu: 70}, env: {MORE: '1.10'}}\n"
        "  idle: {image: idle, command: sleep 9999, replicas: 0}\n"
        "  tool: {image: idle, grace: 1s, command: [sleep, '9999']}"
    )
    text = (shipit.folder / "deploy.yml").read_text()
    images = f"images:\n  web: {registry_server.host}/{namespace}\n  idle: {{use: '{registry_server.host}/library/python:3.12-alpine'}}\n"
    (shipit.folder / "deploy.yml").write_text(text.replace(f"image: {registry_server.host}/{namespace}\n", images))
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = cluster.kubectl("-n", namespace, "get", "deploy,svc,ing,hpa", "-o", "name").split()
    assert kinds == [
        "deployment.apps/idle", "deployment.apps/tool", "deployment.apps/web", "service/web",
        "ingress.networking.k8s.io/web", "horizontalpodautoscaler.autoscaling/web",
    ]  # fmt: skip
    image = cluster.kubectl(
        "-n", namespace, "get", "deployment", "tool", "-o", "jsonpath={.spec.template.spec.containers[0].image}"
    )
    assert image.startswith(f"{registry_server.host}/library/python@sha256:")
    again = shipit.run("plan", "--exit-code")
    assert again.returncode == 0, again.stdout
    assert "up to date" in shipit.run("deploy").stderr


def test_an_image_that_exists_is_deployed_by_its_digest(
    shipit: Shipit, app: Start, cluster: Cluster, namespace: str
) -> None:
    app("port: 8000\ngrace: 1s\nsettle: 0s")
    code, events = shipit.events("push")
    assert code == 0
    [image] = next(event["images"] for event in events if event["event"] == "images_pushed")
    (shipit.folder / "Dockerfile").unlink()
    done = shipit.run("deploy", "--image", f"{namespace}={image['reference']}")
    assert done.returncode == 0, done.stdout + done.stderr
    pods = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-o", "json"))["items"]
    assert [pod["spec"]["containers"][0]["image"] for pod in pods] == [image["reference"]]
