"""One app on several clusters, in waves: the first is deployed alone, the others when it is healthy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.events import Event, StepStarted, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.rehearsal.registry import EmbeddedRegistry
from tests import runs
from tests.servers.kube_api import KubeApi

NAMES = ("eu", "us", "asia")
TEXT = """\
app: shop
image: HOST/shop
x-shop: &shop {kind: kubernetes, settle: 0s, pending: 1s, timeout: 60s, port: 3000}
targets:
  eu: {<<: *shop, context: eu}
  us: {<<: *shop, context: us, needs: [eu]}
  asia: {<<: *shop, context: asia, needs: [eu]}
"""


class Clusters:
    """Three clusters, a context for each."""

    def __init__(self, folder: Path, apis: dict[str, KubeApi], registry: EmbeddedRegistry) -> None:
        self.folder, self.apis, self.registry = folder, apis, registry
        config = {
            "clusters": [{"name": name, "cluster": {"server": f"http://{api.host}"}} for name, api in apis.items()],
            "contexts": [{"name": name, "context": {"cluster": name, "namespace": "prod"}} for name in apis],
        }
        (folder / "kubeconfig").write_text(json.dumps(config))

    def deploy(self) -> tuple[int, list[Event]]:
        environment = runs.environment(self.folder, KUBECONFIG=str(self.folder / "kubeconfig"))
        loaded = runs.project(self.folder, TEXT.replace("HOST", self.registry.host), environment)
        events: list[Event] = []
        return deploy(runs.run(loaded, environment, events, clock=Clock())), events

    def workloads(self, name: str) -> list[str]:
        return [name for plural, name in self.apis[name].objects if plural == "deployments"]


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[Clusters]:
    with ExitStack() as stack, EmbeddedRegistry() as registry:
        yield Clusters(tmp_path, {name: stack.enter_context(KubeApi()) for name in NAMES}, registry)


def test_the_other_clusters_start_when_the_first_is_healthy(clusters: Clusters) -> None:
    code, events = clusters.deploy()
    assert code == 0
    of_others = [
        i for i, event in enumerate(events) if isinstance(event, StepStarted) and event.step.target in ("us", "asia")
    ]
    finished = {event.target: index for index, event in enumerate(events) if isinstance(event, TargetFinished)}
    assert finished["eu"] < min(of_others)
    assert [clusters.workloads(name) for name in NAMES] == [["shop"]] * 3


def test_a_first_cluster_that_fails_keeps_the_others_as_they_were(clusters: Clusters) -> None:
    clusters.apis["eu"].starts = False
    code, events = clusters.deploy()
    assert code == 1
    finished = {event.target: event.state for event in events if isinstance(event, TargetFinished)}
    assert finished == {"eu": "failed", "us": "skipped", "asia": "skipped"}
    assert [clusters.workloads(name) for name in NAMES] == [["shop"], [], []]
