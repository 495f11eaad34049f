"""Workloads of all kinds with most keys: they run, nothing differs afterwards, and a changed file starts new pods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.cluster, pytest.mark.registry]

NAMESPACE = "concise-kinds"
# `python -m http.server` asks for the name of its host first, which takes minutes where a pod has no DNS.
SERVE = "import http.server as h, socketserver as s; s.ThreadingTCPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever()"
DOCKERFILE = f'FROM python:3.12-alpine\nCMD ["python", "-c", "{SERVE}"]\n'
SLEEP = "[python, -c, 'import time; time.sleep(3600)']"
TEXT = f"""\
app: kinds
image: HOST/kinds
env: {{MODE: test}}
targets:
  k8s:
    namespace: {NAMESPACE}
    workloads:
      web:
        port: 8000
        ports: [{{port: 8001, name: admin}}, 53/udp]
        replicas: 2
        health: {{path: /}}
        liveness: {{every: 20s}}
        hosts: [kinds.example.com, www.kinds.example.com]
        tls: kinds-tls
        env: {{POD_IP: {{field: status.podIP}}, LEVEL: {{config: level, optional: true}}}}
        files: {{/etc/kinds/motd: motd}}
        volumes: {{/tmp: empty, /cache: {{empty: true, in_memory: true, limit: 16Mi}}}}
        init: {{first: {{command: [cat, /etc/kinds/motd]}}}}
        sidecars: {{beside: {{command: {SLEEP}, memory: 64Mi}}}}
        security: {{user: 1000, group: 1000}}
        grace: 2s
        spread: [host, zone]
        tolerations: [dedicated=kinds:NoSchedule]
        strategy: {{surge: 1, unavailable: 0}}
        pdb: {{max: 1}}
        labels: {{team: kinds}}
        annotations: {{example.com/owner: Kinds, shipit.dev/replace: true}}
        patch: {{Deployment: {{spec: {{revisionHistoryLimit: 3}}}}}}
      db: {{kind: statefulset, port: 5432, command: {SLEEP}, grace: 0s, strategy: {{partition: 0}}}}
      agent: {{kind: daemonset, command: {SLEEP}, grace: 0s, strategy: {{unavailable: 1}}}}
      import: {{kind: job, command: [python, -c, pass], retries: 1}}
      nightly: {{kind: cronjob, schedule: "0 3 * * *", timezone: Europe/Berlin, command: [python, -c, pass]}}
      once: {{kind: pod, command: {SLEEP}, grace: 0s}}
"""


CLASS = "concise-manual"
VOLUMES = f"""\
app: kinds
image: HOST/kinds
targets:
  k8s:
    namespace: {NAMESPACE}
    workloads:
      store:
        command: {SLEEP}
        grace: 0s
        volumes: {{/data: {{size: 16Mi, storage_class: {CLASS}}}}}
      db:
        kind: statefulset
        command: {SLEEP}
        grace: 0s
        volumes: {{/data: {{size: 16Mi, storage_class: {CLASS}}}, /tmp: empty}}
"""


@pytest.fixture
def disks(cluster: Cluster, tmp_path: Path) -> Iterator[None]:
    """Two volumes of a class that nothing provisions."""
    names = ["concise-disk-1", "concise-disk-2"]
    cluster.kubectl("delete", "pv", *names, "--ignore-not-found", "--timeout=240s", check=False)
    spec = {"capacity": {"storage": "16Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": CLASS}
    heads = [{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}} for name in names]
    objects = [
        {**head, "spec": {**spec, "hostPath": {"path": str(tmp_path / name), "type": "DirectoryOrCreate"}}}
        for head, name in zip(heads, names, strict=True)
    ]
    cluster.kubectl("apply", "-f", "-", data=yaml.safe_dump_all(objects))
    yield
    cluster.kubectl("delete", "pv", *names, "--wait=false")


@pytest.fixture
def app(shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, python_base: str) -> Iterator[Shipit]:
    # The test before may have left it being deleted.
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=240s")
    cluster.kubectl("create", "namespace", NAMESPACE)
    shipit.env |= {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    shipit.write(Dockerfile=DOCKERFILE, deploy__yml=TEXT.replace("HOST", registry_server.host), motd="one\n")
    yield shipit
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_workloads_of_all_kinds_run_and_are_unchanged_afterwards(app: Shipit, cluster: Cluster) -> None:
    done = app.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    again = app.run("plan", "--exit-code")
    assert again.returncode == 0, again.stdout + again.stderr
    seen = app.run("exec", "k8s/web", "--", "cat", "/etc/kinds/motd")
    assert seen.stdout == "one\n", seen.stderr

    app.write(
        motd="two\n",
        deploy__yml=(app.folder / "deploy.yml").read_text().replace("{surge: 1, unavailable: 0}", "recreate"),
    )
    changed = app.run("deploy")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    assert app.run("exec", "k8s/web", "--", "cat", "/etc/kinds/motd").stdout == "two\n"
    last = app.run("plan", "--exit-code")
    assert last.returncode == 0, last.stdout + last.stderr

    text = (app.folder / "deploy.yml").read_text()
    app.write(deploy__yml=text.replace("patch: {", "patch: {Service: {spec: {clusterIP: None}}, "))
    replaced = app.run("deploy", "--yes")
    assert replaced.returncode == 0, replaced.stdout + replaced.stderr
    assert "replace Service/web" in replaced.stdout + replaced.stderr


def test_claims_of_a_deployment_and_a_statefulset_are_bound_and_stay(
    app: Shipit, cluster: Cluster, registry_server: RegistryServer, disks: None
) -> None:
    app.write(deploy__yml=VOLUMES.replace("HOST", registry_server.host))
    done = app.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    again = app.run("plan", "--exit-code")
    assert again.returncode == 0, again.stdout + again.stderr
    assert app.run("exec", "k8s/store", "--", "touch", "/data/a").returncode == 0
    assert app.run("exec", "k8s/db", "--", "touch", "/data/a", "/tmp/a").returncode == 0

    store = VOLUMES.index("      store:"), VOLUMES.index("      db:")
    app.write(deploy__yml=(VOLUMES[: store[0]] + VOLUMES[store[1] :]).replace("HOST", registry_server.host))
    gone = app.run("deploy", "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    claims = cluster.kubectl("-n", NAMESPACE, "get", "pvc", "-o", "name").split()
    assert sorted(claims) == ["persistentvolumeclaim/data-db-0", "persistentvolumeclaim/store-data"]
