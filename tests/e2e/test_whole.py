"""The main job: one app from its Dockerfile to a registry, a Heroku and a cluster, and back over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.dyno import ContainerRunner
from shipit.rehearsal.heroku import HerokuStandIn
from tests.servers.cluster import Cluster
from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.cluster]

DEPLOY = """\
app: whole
image: {host}/whole
targets:
  hub: {{images: [whole]}}
  heroku: {{app: whole-prod}}
  k8s: {{namespace: whole, port: 8000, grace: 1s, replicas: 2, health: /, needs: [hub]}}
"""


@pytest.fixture
def heroku(engine: DockerEngine) -> Iterator[HerokuStandIn]:
    runner = ContainerRunner(engine.host)
    with HerokuStandIn(token="a-heroku-token", runner=runner) as stand_in:
        yield stand_in
    runner.close()


def test_one_deploy_reaches_all_three_and_a_third_writes_nothing(
    shipit: Shipit, heroku: HerokuStandIn, cluster: Cluster, registry_server: RegistryServer, python_base: str
) -> None:
    app = heroku.create_app("whole-prod")
    cluster.kubectl("create", "namespace", "whole")
    shipit.copy("hello")
    shipit.write(deploy__yml=DEPLOY.format(host=registry_server.host))
    shipit.env |= {
        **heroku.variables(),
        "KUBECONFIG": str(cluster.kubeconfig),
        "SHIPIT_MIRRORS": f"docker.io={python_base}",
    }

    first = shipit.run("deploy")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "done: 3 of 3 targets healthy" in first.stdout
    assert _dyno_says(heroku) == _pod_says(cluster) == "hello: this is version one\n"

    (shipit.folder / "message.txt").write_text("this is version two\n")
    second = shipit.run("deploy")
    assert second.returncode == 0, second.stdout + second.stderr
    assert _dyno_says(heroku) == _pod_says(cluster) == "hello: this is version two\n"
    assert re.search(r"pushed \S+/whole@\w+  2 sent \(\S+ KiB\)", second.stderr), "one layer and the config move"

    running = app.formation["web"]["image"]
    pinned = cluster.kubectl(
        "-n", "whole", "get", "deployment", "whole", "-o", "jsonpath={.spec.template.spec.containers[0].image}"
    )
    seen = json.loads(_skopeo("inspect", "--config", "--raw", f"docker://{pinned}"))
    on_heroku = heroku.registry.config_of("whole-prod/web", "latest")
    assert seen == on_heroku
    digest = json.loads(_skopeo("inspect", "--raw", f"docker://{pinned}"))["config"]["digest"]
    assert digest == running

    heroku_before, registry_before = len(heroku.log), len(heroku.registry.log)
    generation = _versions(cluster)
    third = shipit.run("deploy")
    assert third.returncode == 0, third.stdout + third.stderr
    assert "done: nothing changed, 3 of 3 targets healthy" in third.stdout
    writes = [
        row
        for row in heroku.log[heroku_before:] + heroku.registry.log[registry_before:]
        if row[0] not in ("GET", "HEAD")
    ]
    assert writes == []
    assert _versions(cluster) == generation
    assert heroku.unknown == heroku.registry.unknown == []

    status = shipit.run("status")
    assert status.returncode == 0, status.stderr
    assert re.search(r"^k8s +Deployment/whole +2/2 ", status.stdout, re.MULTILINE), status.stdout
    assert "web.1 up" in status.stdout


def _dyno_says(heroku: HerokuStandIn) -> str:
    dyno = next(dyno for dyno in heroku.apps["whole-prod"].dynos if dyno.process == "web")
    with urllib.request.urlopen(f"http://127.0.0.1:{dyno.port}/", timeout=5) as answer:
        return str(answer.read().decode())


def _pod_says(cluster: Cluster) -> str:
    selector = "app.kubernetes.io/name=whole"
    items = json.loads(cluster.kubectl("-n", "whole", "get", "pods", "-l", selector, "-o", "json"))["items"]
    alive = [item for item in items if "deletionTimestamp" not in item["metadata"]]
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://{alive[-1]['status']['podIP']}:8000/", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise


def _versions(cluster: Cluster) -> str:
    path = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation}{'\\n'}{end}"
    return cluster.kubectl("-n", "whole", "get", "deployments,services,replicasets", "-o", path)


def _skopeo(*arguments: str, tls: str = "--tls-verify=false") -> str:
    done = subprocess.run([find("skopeo"), *arguments, tls], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_skopeo_reads_what_was_pushed(
    shipit: Shipit, registry_server: RegistryServer, python_base: str, tmp_path: Path
) -> None:
    shipit.copy("hello")
    shipit.write(
        deploy__yml=f"app: copied\nimage: {{repository: {registry_server.host}/copied, tags: [v1]}}\ntargets: {{hub: }}\n"
    )
    shipit.env["SHIPIT_MIRRORS"] = f"docker.io={python_base}"
    done = shipit.run("push")
    assert done.returncode == 0, done.stderr
    _skopeo(
        "copy", f"docker://{registry_server.host}/copied:v1", f"dir:{tmp_path}/copied", tls="--src-tls-verify=false"
    )
    layers = json.loads((tmp_path / "copied" / "manifest.json").read_text())["layers"]
    assert all(
        (tmp_path / "copied" / row["digest"].removeprefix("sha256:")).stat().st_size == row["size"] for row in layers
    )
