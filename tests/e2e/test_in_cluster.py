"""shipit inside a pod, with nothing but its service account."""

from __future__ import annotations

import json
import shutil
import sysconfig
from pathlib import Path

import pytest

from tests.servers.cluster import Cluster
from tests.servers.images import libraries
from tests.servers.registry import RegistryServer
from tests.shipit import ROOT, Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.registry, pytest.mark.cluster]

NAMESPACE = "in-cluster"
DOCKERFILE = "FROM python:3.12-alpine\nCOPY libraries/ /\nCOPY site/ /site\nCOPY app/ /app\nWORKDIR /app\nENV PYTHONPATH=/site SHIPIT_CACHE_DIR=/tmp/cache HOME=/tmp\n"
# Not needed to look at a cluster, and large.
SKIPPED = shutil.ignore_patterns(
    "__pycache__",
    "mypy*",
    "ruff*",
    "hypothesis*",
    "pip*",
    "setuptools*",
    "cryptography*",
    "ast_serialize*",
    "librt*",
    "bin",
)


def _context(folder: Path) -> None:
    shutil.copytree(sysconfig.get_paths()["platlib"], folder / "site", ignore=SKIPPED)
    shutil.copytree(ROOT / "shipit", folder / "site/shipit", ignore=shutil.ignore_patterns("__pycache__"))
    for library in libraries(list((folder / "site").rglob("*.so"))):
        target = folder / "libraries" / str(library).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library.resolve(), target)
    (folder / "app").mkdir()
    (folder / "app/deploy.yml").write_text(
        "app: inside\nimages: {web: {use: 'HOST/inside:v1'}}\ntargets: {k8s: {port: 80}}\n"
    )


@pytest.mark.skipif(sysconfig.get_config_var("VERSION") != "3.11", reason="the base image has Python 3.11")
def test_a_service_account_is_enough(
    shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, python_base: str
) -> None:
    _context(shipit.folder)
    shipit.env["SHIPIT_MIRRORS"] = f"docker.io={python_base}"
    shipit.write(
        Dockerfile=DOCKERFILE,
        deploy__yml=f"app: inside\nimage: {{repository: {registry_server.host}/inside, tags: [v1]}}\ntargets: {{hub: }}\n",
    )
    pushed = shipit.run("deploy")
    assert pushed.returncode == 0, pushed.stderr
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl(
        "create",
        "clusterrolebinding",
        NAMESPACE,
        "--clusterrole=cluster-admin",
        f"--serviceaccount={NAMESPACE}:default",
    )
    port = cluster.server.rpartition(":")[2]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shipit", "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "hostNetwork": True,
            "containers": [
                {
                    "name": "shipit",
                    "image": f"{registry_server.host}/inside:v1",
                    "command": ["python3", "-m", "shipit", "status", "--output", "json"],
                    "env": [
                        {"name": "KUBERNETES_SERVICE_HOST", "value": "127.0.0.1"},
                        {"name": "KUBERNETES_SERVICE_PORT", "value": port},
                    ],
                }
            ],
        },
    }
    cluster.kubectl("apply", "-f", "-", data=json.dumps(pod))
    has_ended = ("-n", NAMESPACE, "get", "pod", "shipit", "-o", "jsonpath={.status.phase}")
    phase = wait_until(
        "it ends", lambda: cluster.kubectl(*has_ended), lambda found: found in ("Succeeded", "Failed"), 240
    )
    log = cluster.kubectl("-n", NAMESPACE, "logs", "shipit", check=False)
    assert phase == "Succeeded", log
    [row] = json.loads(log.splitlines()[-1])["targets"]
    assert row["place"]["identity"] == f"context in-cluster, server https://127.0.0.1:{port}, namespace {NAMESPACE}"
    units = [(unit["name"], unit["state"]) for unit in row["units"]]
    assert units == [("Service/inside", "not there"), ("Deployment/inside", "not there")]
