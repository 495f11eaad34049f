"""Workloads of all kinds with most keys: they run, nothing differs afterwards, and a changed file starts new pods."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.cluster, pytest.mark.registry]

NAMESPACE = "concise-kinds"
DOCKERFILE = 'FROM python:3.12-alpine\nCMD ["python", "-m", "http.server", "8000"]\n'
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


@pytest.fixture
def app(shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, python_base: str) -> Iterator[Shipit]:
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
