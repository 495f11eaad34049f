"""A deploy that is ended by a signal after any of its writes to the real cluster; the next one completes it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.events import Event, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.pipeline.lock_keepers import read_locks
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from shipit.pipeline.unlock import break_lock
from shipit.rehearsal.server import Request, Response
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, set_id
from tests import runs
from tests.e2e.test_cluster_changes import Object, config_map, deployment
from tests.e2e.test_cluster_faults import Between
from tests.sampled import sampled
from tests.servers.cluster import Cluster, namespace_of
from tests.shipit import ROOT
from tests.waits import wait_until

pytestmark = pytest.mark.cluster

PARENT = "shipit.shop.production.k8s"
TEXT = """\
app: shop
secrets: {TOKEN: {env: TOKEN}}
targets:
  k8s: {namespace: NAMESPACE, settle: 0s, timeout: 240s, manifests: [objects.json]}
"""
ROLE: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "reader"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
}


def web() -> Object:
    """A Deployment whose pods have the settings."""
    found = deployment("one")
    [container] = found["spec"]["template"]["spec"]["containers"]
    container["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    return found


FIRST = [config_map("1"), ROLE, config_map("1", "other"), web()]
SECOND = [config_map("2"), config_map("1", "new"), web()]
TOKENS = {"first": "canary-first-4711", "second": "canary-second-4712"}


class Killing(Between):
    """Ends a process by a signal when it has sent a number of writes; the last one has reached the API server.

    Dry runs, questions about rights and renewals of the lock are not counted.
    """

    process: subprocess.Popen[bytes] | None = None
    writes, last = 0, 10**6
    # In turn, by the number of the write.
    signals = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)

    @property
    def signal(self) -> signal.Signals:
        return self.signals[self.last % len(self.signals)]

    def answer(self, request: Request) -> Response:
        answer = super().answer(request)
        is_renewal = request.method == "PATCH" and "/leases" in request.path
        is_question = bool(request.query.get("dryRun")) or "authorization" in request.path or is_renewal
        if request.method not in ("GET", "HEAD") and not is_question:
            self.writes += 1
            if self.writes == self.last and self.process is not None:
                self.process.send_signal(self.signal)
        return answer


class Shop:
    """The project in a namespace of its own."""

    def __init__(self, folder: Path, cluster: Cluster, namespace: str) -> None:
        self.folder, self.cluster, self.namespace = folder, cluster, namespace
        folder.mkdir()
        cluster.kubectl("create", "namespace", namespace)

    def run(self, objects: list[Object], token: str) -> tuple[Run, list[Event]]:
        (self.folder / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        environment = runs.environment(
            self.folder, KUBECONFIG=str(self.cluster.kubeconfig), TOKEN=TOKENS[token], SHIPIT_CACHE_DIR=self.cache
        )
        events: list[Event] = []
        project = runs.project(self.folder, TEXT.replace("NAMESPACE", self.namespace), environment)
        return runs.run(project, environment, events, clock=Clock()), events

    @property
    def cache(self) -> str:
        return str(self.folder / ".cache")

    def deploy(self, objects: list[Object], token: str) -> TargetFinished:
        run, events = self.run(objects, token)
        assert deploy(run) == 0, events
        return next(event for event in events if isinstance(event, TargetFinished))

    def start_second(self, between: Between) -> subprocess.Popen[bytes]:
        """The second deploy as a process, through the proxy."""
        (self.folder / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": SECOND}))
        config = {
            "current-context": "between",
            "clusters": [{"name": "between", "cluster": {"server": f"http://{between.host}"}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "between", "context": {"cluster": "between", "user": "nobody"}}],
        }
        (self.folder / "between").write_text(json.dumps(config))
        env = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.folder / "between"),
            "PYTHONPATH": str(ROOT),
            "SHIPIT_CACHE_DIR": self.cache,
            "TOKEN": TOKENS["second"],
        }
        command = [sys.executable, "-m", "shipit", "deploy"]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )

    def unlock(self) -> None:
        """Break the lock that a killed run may have left, which is free by itself after its time."""
        run, _ = self.run(SECOND, "second")
        if (holder := read_locks(run)["k8s"]) is not None:
            break_lock(run, run.targets[0], holder)

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def get(self, *thing: str) -> Any:
        return json.loads(self.kubectl("get", *thing, "-o", "json"))


def second(shop: Shop, last: int) -> tuple[int, bool]:
    """Deploy the first version, then the second as a process that is ended after `last` writes: its writes, and whether it was.

    One that is interrupted gives its lock back.
    """
    shop.deploy(FIRST, "first")
    with Killing(shop.cluster) as between:
        between.last = last
        between.process = shop.start_second(between)
        said = between.process.communicate(timeout=300)[0].decode()
        code = between.process.returncode
        ended = code == -signal.SIGKILL if between.signal is signal.SIGKILL else code in (130, 143)
        assert ended or code == 0, said
        return between.writes, ended


@pytest.mark.sampled
def test_a_deploy_that_a_signal_ends_between_any_two_writes_is_completed_by_the_next(
    tmp_path: Path, cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    name = namespace_of(request.node, longest=40)
    whole = Shop(tmp_path / "whole", cluster, f"{name}-0")
    total, _ = second(whole, 10**6)
    assert total >= 8, "the lock, the applies, the Secret, the deletions and the record are writes of their own"
    check_with_kubectl(whole, 0)
    for number in sampled(range(1, total + 1), 3, of="killed"):
        shop = Shop(tmp_path / str(number), cluster, f"{name}-{number}")
        _, ended = second(shop, number)
        # Of the last writes, the record and the lock, an interrupted run may do the rest.
        assert ended or number >= total - 1, f"write {number} of {total}"
        shop.unlock()
        shop.deploy(SECOND, "second")
        check_with_kubectl(shop, number)
        assert prepare(shop.run(SECOND, "second")[0]).plan.targets[0].steps == ()


def check_with_kubectl(shop: Shop, number: int) -> None:
    """All of the second version is there, and nothing of the first one is left."""
    label = f"{PART_OF_LABEL}={set_id(PARENT, shop.namespace)}"
    left = set(shop.kubectl("get", "configmaps,roles,deployments", "-l", label, "-o", "name").split())
    assert left == {"configmap/settings", "configmap/new", "deployment.apps/web"}, f"killed at write {number}"
    kinds = shop.get(f"configmap/{PARENT}")["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"]
    assert kinds == "ConfigMap,Deployment.apps,Secret", f"killed at write {number}"
    rows = shop.get("secrets", "-l", label)["items"]
    tokens = {base64.b64decode(row["data"]["TOKEN"]).decode() for row in rows if "TOKEN" in row.get("data", {})}
    assert TOKENS["second"] in tokens, f"killed at write {number}"
    assert shop.get("configmap/settings")["data"] == {"a": "2"}

    def settings() -> list[str]:
        """What the pods have that are not being deleted."""
        pods = [row for row in shop.get("pods")["items"] if "deletionTimestamp" not in row["metadata"]]
        ask = ("exec", "-n", shop.namespace)
        said = ("--", "/busybox", "sh", "-c", "echo $a")
        # A pod may be gone by now.
        return [shop.cluster.kubectl(*ask, row["metadata"]["name"], *said, check=False) for row in pods]

    wait_until("one pod, with the new setting", settings, lambda found: found == ["2\n"])
