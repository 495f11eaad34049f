"""A rollout that is judged over watches of the real API server: cut off, held back by a proxy, or refused for a while."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.events import Event, TargetFinished, Waiting
from shipit.pipeline.flow import deploy
from shipit.pipeline.run import Run
from shipit.rehearsal.server import Request, Response
from tests import runs
from tests.e2e.test_cluster_faults import Between
from tests.servers.cluster import PAUSE, Cluster, namespace_of
from tests.servers.cut_proxy import CutProxy

pytestmark = pytest.mark.cluster

TEXT = "app: shop\ntargets: {k8s: {namespace: NAMESPACE, settle: 1s, manifests: [objects.json]}}\n"


class Rollout:
    """A Deployment of two pods that are available `ready_s` seconds after they started."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.folder, self.namespace = folder, namespace
        self.events: list[Event] = []

    def deployment(self, ready_s: int, command: list[str] | None) -> dict[str, Any]:
        container = {
            "name": "main",
            "image": PAUSE,
            "imagePullPolicy": "Never",
            **({"command": command} if command else {}),
        }
        template = {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }
        spec = {
            "replicas": 2,
            "minReadySeconds": ready_s,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
        }
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}

    def run(self, kubeconfig: dict[str, Any], ready_s: int = 5, command: list[str] | None = None) -> Run:
        settings = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}} for n in range(3)]
        items = [self.deployment(ready_s, command), *settings]
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        (self.folder / "kubeconfig").write_text(json.dumps(kubeconfig))
        environment = runs.environment(self.folder, KUBECONFIG=str(self.folder / "kubeconfig"))
        project = runs.project(self.folder, TEXT.replace("NAMESPACE", self.namespace), environment)
        return runs.run(project, environment, self.events, clock=Clock())

    @property
    def verdict(self) -> str:
        [found] = [event.reason for event in self.events if isinstance(event, TargetFinished)]
        return str(found)


@pytest.fixture
def rollout(tmp_path: Path, cluster: Cluster, request: pytest.FixtureRequest) -> Rollout:
    name = namespace_of(request.node, longest=40)
    cluster.kubectl("create", "namespace", name)
    return Rollout(tmp_path / "project", name)


def plain(host: str) -> dict[str, Any]:
    """A kubeconfig without a login, for what stands between."""
    return {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://{host}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }


def test_watches_that_are_cut_again_and_again_do_not_fail_a_good_rollout(rollout: Rollout, cluster: Cluster) -> None:
    proxy = CutProxy(cluster.server.removeprefix("https://"))
    kubeconfig = json.loads(cluster.kubeconfig.read_text())
    kubeconfig["clusters"][0]["cluster"]["server"] = f"https://{proxy.host}"
    run, is_over = rollout.run(kubeconfig), threading.Event()
    cuts: list[int] = []

    def cut(event: Event) -> None:
        if isinstance(event, Waiting) and not cuts:
            cuts.append(0)
            threading.Thread(target=cutting, daemon=True).start()

    def cutting() -> None:
        # Not without end: under load a request may take longer than the pause.
        while len(cuts) < 6 and not is_over.wait(0.7):
            cuts.append(proxy.count)
            proxy.cut()

    runs.react(run, cut)
    try:
        assert deploy(run) == 0, rollout.verdict
    finally:
        is_over.set()
        proxy.stop()
    assert sum(cuts) > 0 and "Deployment/web 2/2 ready" in rollout.verdict


class Holding(Between):
    """Answers no watch as long as it serves."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._is_over = threading.Event()

    def stop(self) -> None:
        self._is_over.set()
        super().stop()

    def answer(self, request: Request) -> Response:
        if request.query.get("watch"):
            self._is_over.wait(300)
            return Response(503)
        return super().answer(request)


def test_behind_a_proxy_that_holds_watches_back_the_place_is_listed(rollout: Rollout, cluster: Cluster) -> None:
    with Holding(cluster) as between:
        assert deploy(rollout.run(plain(between.host))) == 0, rollout.verdict
        assert "Deployment/web 2/2 ready" in rollout.verdict
        rollout.events.clear()
        assert deploy(rollout.run(plain(between.host), command=["/not-there"])) == 1
    assert "main" in rollout.verdict or "web" in rollout.verdict


class Throttling(Holding):
    """Answers every third request with 429."""

    throttled = 0

    def answer(self, request: Request) -> Response:
        if self.count % 3 == 2:
            self.count, self.throttled = self.count + 1, self.throttled + 1
            return Response(429, b"", {"Retry-After": "0"})
        return super().answer(request)


def test_requests_that_are_throttled_are_sent_again_when_the_server_says(rollout: Rollout, cluster: Cluster) -> None:
    with Throttling(cluster) as between:
        assert deploy(rollout.run(plain(between.host), ready_s=0)) == 0, rollout.verdict
        assert between.throttled > 5
