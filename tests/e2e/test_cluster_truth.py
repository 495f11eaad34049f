"""The verdict on the real cluster: who replaced what, what does not serve, what runs once, and what stays on delete."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.servers.cluster import Cluster, namespace_of
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit
from tests.waits import SOON_S, wait_until

pytestmark = [pytest.mark.registry, pytest.mark.cluster]

DOCKERFILE = 'FROM python:3.12-alpine\nCOPY app.py /\nCMD ["python", "/app.py"]\n'
APP = """\
import http.server, time
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS)
        self.end_headers()
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), App).serve_forever()
"""
Write = Callable[..., None]


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = namespace_of(request.node, longest=40)
    cluster.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def write(shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, python_base: str, namespace: str) -> Write:
    """Writes a project with the keys of its target, in one folder that two deploys may share."""
    shipit.env |= {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}

    def written(target: str, *, status: int = 200, note: str = "", more: str = "") -> None:
        text = f"app: shop\nimage: {registry_server.host}/{namespace}\n{more}\ntargets:\n  k8s: {{namespace: {namespace}, {target}}}\n"
        shipit.write(Dockerfile=DOCKERFILE, app__py=f"{APP.replace('STATUS', str(status))}# {note}\n", deploy__yml=text)

    return written


def test_two_deploys_of_different_images_that_overlap(
    shipit: Shipit, write: Write, cluster: Cluster, namespace: str, registry_server: RegistryServer, tmp_path: Path
) -> None:
    """The first is superseded and says by whom; latest is what runs."""
    # It watches for longer than the other one takes, and ends when that one supersedes it.
    write("port: 8000, grace: 1s, settle: 150s", note="one")
    first: list[str] = []
    other = Shipit(tmp_path / "other", tmp_path / "home-of-other")
    other.folder.mkdir()
    other.env |= shipit.env

    def deploy() -> None:
        done = shipit.run("deploy")
        first.extend([str(done.returncode), done.stdout])

    thread = threading.Thread(target=deploy)
    thread.start()
    ready = ("-n", namespace, "get", "deployment", "shop", "-o", "jsonpath={.status.readyReplicas}")
    wait_until("the first is ready", lambda: cluster.kubectl(*ready, check=False), lambda count: count == "1", 180)
    other.write(
        Dockerfile=DOCKERFILE,
        app__py=f"{APP.replace('STATUS', '200')}# two\n",
        deploy__yml=(shipit.folder / "deploy.yml").read_text().replace("settle: 150s", "settle: 0s"),
    )
    # Without the lock of the first.
    assert other.run("unlock", "--yes").returncode == 0
    second = other.run("deploy")
    thread.join(180)
    assert second.returncode == 0, second.stdout + second.stderr
    assert first[0] == "1" and "superseded by another deploy at 20" in first[1], first[1]
    runs = cluster.kubectl(
        "-n", namespace, "get", "deployment", "shop", "-o", "jsonpath={.spec.template.spec.containers[0].image}"
    )
    manifests = f"http://{registry_server.host}/v2/{namespace}/manifests"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    latest = requests.head(f"{manifests}/latest", headers=accept, timeout=10).headers["Docker-Content-Digest"]
    assert runs.endswith(latest), "latest is what runs"


def test_deploy_fails_when_the_health_path_answers_500(shipit: Shipit, write: Write) -> None:
    write("port: 8000, grace: 1s, health: /up, pending: 8s", status=500)
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert "HTTP probe failed with statuscode: 500" in done.stdout


def test_health_is_asked_through_the_service(shipit: Shipit, write: Write, cluster: Cluster, namespace: str) -> None:
    write("port: 8000, grace: 1s, health: /up, settle: 0s")
    done = shipit.run("deploy")
    assert done.returncode == 0 and "Service/shop /up answers 200" in done.stdout, done.stdout + done.stderr
    write("port: 8000, grace: 1s, replicas: 0")
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Deployment/shop has no pods: it is scaled to 0" in done.stdout + done.stderr
    assert "nothing serves: Service/shop has no endpoints" in done.stdout + done.stderr


def test_a_user_without_permission_for_the_proxy_can_deploy(
    shipit: Shipit, write: Write, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    rules = [
        {"apiGroups": ["", "apps", "discovery.k8s.io"], "verbs": ["*"],
         "resources": ["pods", "pods/log", "services", "secrets", "configmaps", "deployments", "replicasets", "endpointslices", "events"]},
    ]  # fmt: skip
    subject = {"kind": "ServiceAccount", "name": "deployer", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deployer"}
    head: dict[str, object] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "deployer", "namespace": namespace},
    }
    seen: dict[str, object] = {
        "apiVersion": head["apiVersion"],
        "kind": "ClusterRole",
        "metadata": {"name": f"see-{namespace}"},
    }
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer", "namespace": namespace}},
        {**head, "kind": "Role", "rules": rules},
        {**head, "kind": "RoleBinding", "subjects": [subject], "roleRef": reference},
        {**seen, "rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}]},
        {
            **seen,
            "kind": "ClusterRoleBinding",
            "subjects": [subject],
            "roleRef": {**reference, "kind": "ClusterRole", "name": f"see-{namespace}"},
        },
    ]
    cluster.kubectl("apply", "-f", "-", data=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    token = cluster.kubectl("-n", namespace, "create", "token", "deployer").strip()
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"] = [{"name": "admin", "user": {"token": token}}]
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    shipit.env["KUBECONFIG"] = str(tmp_path / "kubeconfig")
    write("port: 8000, grace: 1s, health: /up, settle: 0s")
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Deployment/shop 1/1 ready" in done.stdout and "answers" not in done.stdout
    assert token not in done.stdout + done.stderr


def test_two_deploys_at_once_run_the_release_command_once(
    shipit: Shipit, write: Write, cluster: Cluster, namespace: str
) -> None:
    shipit.env["TOKEN"] = "canary-4711"
    write("port: 8000, grace: 1s, settle: 0s", more="secrets: {TOKEN: {env: TOKEN}}\nrelease: sleep 4; echo migrated")
    codes: list[tuple[int, str]] = []

    def deploy() -> None:
        done = shipit.run("deploy", "--wait", "3m")
        codes.append((done.returncode, done.stdout + done.stderr))

    threads = [threading.Thread(target=deploy) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(360)
    assert [code for code, _ in codes] == [0, 0], codes
    # A deploy that plans when the Job has succeeded already does not wait for it.
    waited = [text for _, text in codes if "run sleep 4; echo migrated ..." in text]
    assert waited and all("release | migrated" in text for text in waited), "\n\n".join(text for _, text in codes)
    made = json.loads(cluster.kubectl("-n", namespace, "get", "jobs,pods", "-l", "job-name", "-o", "json"))["items"]
    assert sum(item["kind"] == "Pod" for item in made) == 1, "the command ran once"
    assert shipit.run("plan", "--exit-code").returncode == 0


def test_a_pod_with_a_finalizer_is_awaited(shipit: Shipit, write: Write, cluster: Cluster, namespace: str) -> None:
    write("workloads: {lone: {kind: pod, port: 8000, grace: 1s}}, settle: 0s", note="one")
    assert shipit.run("deploy").returncode == 0
    hold = {"metadata": {"finalizers": ["example.com/hold"]}}
    cluster.kubectl("-n", namespace, "patch", "pod", "lone", "--type", "merge", "-p", json.dumps(hold))
    write("workloads: {lone: {kind: pod, port: 8000, grace: 1s}}, settle: 0s, timeout: 15s", note="two")
    started = time.monotonic()
    done = shipit.run("deploy")
    cluster.kubectl(
        "-n",
        namespace,
        "patch",
        "pod",
        "lone",
        "--type",
        "merge",
        "-p",
        '{"metadata": {"finalizers": null}}',
        check=False,
    )
    assert done.returncode == 1 and time.monotonic() - started < 15 + SOON_S
    assert "while waiting for Pod/lone to be deleted, which waits for example.com/hold" in done.stdout, done.stdout
    again = shipit.run("deploy", "--timeout", "180s")
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_crash_shows_the_log_of_the_crashed_run(shipit: Shipit, write: Write, namespace: str) -> None:
    write("port: 8000, grace: 1s, settle: 6s, restarts_allowed: 1", note="good")
    assert shipit.run("deploy").returncode == 0
    crash = "import time\nprint('the new release begins', flush=True)\ntime.sleep(0.3)\nraise SystemExit('no DATABASE_URL')\n"
    shipit.write(app__py=crash)
    done = shipit.run("deploy")
    assert done.returncode == 1
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("|")]
    assert lines[:2] == ["| the new release begins", "| no DATABASE_URL"], done.stdout
