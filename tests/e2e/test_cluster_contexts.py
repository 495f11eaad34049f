"""One target of two contexts on the real cluster, deployed as a user of a role: --as, and TARGET/WORKLOAD of several places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.cluster import PAUSE, Cluster
from tests.shipit import ROOT, Shipit
from tests.waits import wait_until

pytestmark = pytest.mark.cluster

NAMESPACES = ("contexts-one", "contexts-two")
DEPLOY_YML = """\
app: shop
targets:
  k8s: {contexts: [[one, two]], settle: 0s, timeout: 240s, manifests: [objects.json]}
"""


def deployment(name: str) -> dict[str, Any]:
    container = {
        "name": name,
        "image": PAUSE,
        "imagePullPolicy": "Never",
        "command": ["/busybox", "sh", "-c", f"/busybox echo this is {name}; exec /busybox sleep 3600"],
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


class Place:
    """Two namespaces, each of a context of its own. The group deployers may deploy to them, and nobody else."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        (folder / "shop").mkdir()
        self.shipit = Shipit(folder / "shop", folder / "home")
        self.shipit.env |= {"KUBECONFIG": str(folder / "kubeconfig")}
        objects = {"apiVersion": "v1", "kind": "List", "items": [deployment("web"), deployment("worker")]}
        self.shipit.write(deploy__yml=DEPLOY_YML, objects__json=json.dumps(objects))
        config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
        [context] = config["contexts"]
        config["contexts"] = [
            {"name": name, "context": {**context["context"], "namespace": namespace}}
            for name, namespace in zip(("one", "two"), NAMESPACES, strict=True)
        ]
        del config["current-context"]
        (folder / "kubeconfig").write_text(json.dumps(config))
        role = yaml.safe_load((ROOT / "docs/kubernetes-role.yml").read_text())
        for namespace in NAMESPACES:
            cluster.kubectl("create", "namespace", namespace)
            cluster.kubectl("-n", namespace, "apply", "-f", "-", data=json.dumps(role))
            cluster.kubectl("-n", namespace, "create", "rolebinding", "deployers", "--role=shipit", "--group=deployers")

    def run(self, *words: str) -> str:
        """What a command says that succeeds."""
        done = self.shipit.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def lines(self, count: int, *words: str) -> list[str]:
        """The lines of logs, once there are so many: a container that is ready may not have written yet."""
        return wait_until(
            f"{count} lines", lambda: self.run("logs", *words).splitlines(), lambda found: len(found) >= count
        )

    def generations(self, name: str) -> list[int]:
        """The generation of a Deployment in each namespace."""
        path = "jsonpath={.metadata.generation}"
        return [int(self.cluster.kubectl("-n", each, "get", f"deployment/{name}", "-o", path)) for each in NAMESPACES]

    def replicas(self, name: str) -> list[int]:
        path = "jsonpath={.spec.replicas}"
        return [int(self.cluster.kubectl("-n", each, "get", f"deployment/{name}", "-o", path)) for each in NAMESPACES]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Place:
    """Deployed as jane, who may deploy as one of the deployers."""
    made = Place(tmp_path_factory.mktemp("contexts"), cluster)
    made.run("deploy", "--as", "jane", "--as-group", "deployers")
    return made


def test_a_deploy_acts_as_the_user_that_as_names(place: Place) -> None:
    refused = place.shipit.run("deploy", "--as", "jane")
    assert refused.returncode == 1 and 'User "jane" cannot' in refused.stdout + refused.stderr
    assert "2 of 2 targets healthy" in place.run("deploy", "--as", "jane", "--as-group", "deployers")
    whoami = place.cluster.kubectl("--as", "jane", "--as-group", "deployers", "auth", "whoami", "-o", "json")
    assert json.loads(whoami)["status"]["userInfo"]["groups"] == ["deployers", "system:authenticated"]
    said = place.run("doctor", "--as", "jane", "--as-group", "deployers")
    assert said.count("requests are made as jane") == 2, said


def test_logs_of_a_workload_are_those_of_every_context(place: Place) -> None:
    lines = place.lines(2, "k8s/web")
    assert all(line.endswith("| this is web") for line in lines), lines
    assert {line.split()[1].split("/")[0] for line in lines} == {"k8s-one", "k8s-two"}
    [line] = place.lines(1, "k8s-two/worker", "--as", "jane", "--as-group", "deployers")
    assert "k8s-two/" in line and line.endswith("| this is worker")


def test_a_restart_and_a_scale_change_the_named_workload_in_every_context(place: Place) -> None:
    web, worker = place.generations("web"), place.generations("worker")
    place.run("restart", "k8s/web")
    assert all(now > before for now, before in zip(place.generations("web"), web, strict=True))
    place.run("scale", "k8s/web=2", "k8s-two/worker=0")
    assert (place.replicas("web"), place.replicas("worker")) == ([2, 2], [1, 0])
    assert place.generations("worker")[0] == worker[0], "nobody named it there"


def test_a_command_for_one_pod_needs_the_name_of_one_context(place: Place) -> None:
    done = place.shipit.run("exec", "k8s/web", "--", "/busybox", "true")
    assert done.returncode == 2
    assert "k8s is 2 targets, and this command is for one" in done.stderr
    assert "name one: k8s-one/web, k8s-two/web" in done.stderr
    assert place.shipit.run("exec", "k8s-one/web", "--", "/busybox", "true").returncode == 0
