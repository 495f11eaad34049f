"""One target of deploy.yml on several clusters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.errors import ConfigErrors
from shipit.events import Event, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.pipeline.graph import select_targets
from shipit.rehearsal.registry import EmbeddedRegistry
from tests import runs
from tests.config.test_language import load
from tests.servers.kube_api import KubeApi

TEXT = """\
app: shop
image: HOST/shop
targets:
  k8s: {contexts: [one, [two, "arn:aws:eks:eu/three"]], port: 3000, settle: 0s, timeout: 60s}
"""
NAMES = ("k8s-one", "k8s-two", "k8s-arn-aws-eks-eu-three")


def test_each_context_is_a_target_that_needs_the_wave_before(tmp_path: Path) -> None:
    more = "  hub: {needs: [k8s]}\nsecrets: {TOKEN: {env: TOKEN, only: [k8s]}}\n"
    project = load(tmp_path, TEXT.replace("HOST", "user") + more)
    assert {name: (config.needs, getattr(config, "context", None)) for name, config in project.targets.items()} == {
        "k8s-one": ((), "one"),
        "k8s-two": (("k8s-one",), "two"),
        "k8s-arn-aws-eks-eu-three": (("k8s-one",), "arn:aws:eks:eu/three"),
        "hub": (("k8s-two", "k8s-arn-aws-eks-eu-three"), None),
    }
    assert project.secrets["TOKEN"].only == NAMES
    assert project.left_out == ()
    assert select_targets(project.named(["k8s"]), project.targets) == NAMES
    assert select_targets(project.named(["k8s-two", "hub"]), project.targets) == ("k8s-two", "hub")


def test_an_environment_has_its_own_contexts(tmp_path: Path) -> None:
    more = "environments: {staging: {targets: {k8s: {contexts: [test], replicas: 1}}}, one: {targets: {k8s: {contexts: null}}}}\n"
    text = TEXT.replace("HOST", "user") + more
    assert tuple(load(tmp_path, text, selected="staging").targets) == ("k8s-test",)
    assert tuple(load(tmp_path, text, selected="one").targets) == ("k8s",)
    assert tuple(load(tmp_path, text).targets) == NAMES


def test_contexts_may_be_variables_and_a_mistake_is_told_once_at_its_line(tmp_path: Path) -> None:
    text = "app: shop\nimage: user/shop\ntargets:\n  k8s:\n    contexts: ['${FIRST:-eu}', us]\n    workloads:\n      web: {port: none}\n"
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, text)
    [error] = caught.value.problems
    assert (error.path, error.position) == ("targets.k8s.workloads.web.port", (7, 19))
    assert tuple(load(tmp_path, text.replace("none", "80")).targets) == ("k8s-eu", "k8s-us")


def test_a_name_that_would_show_a_secret_is_one_mistake_for_all_contexts(tmp_path: Path) -> None:
    text = "app: shop\nimage: user/shop\nsecrets: {TOKEN: {env: TOKEN}}\ntargets: {k8s: {contexts: [eu, us], namespace: 'x_${TOKEN}', port: 80}}\n"
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, text, TOKEN="hunter2-hunter2")
    assert [(error.path, error.what) for error in caught.value.problems] == [
        ("targets.k8s.namespace", "would show the value of TOKEN, which a secret is read from")
    ]


class Clusters:
    """Three clusters in one kubeconfig."""

    def __init__(self, folder: Path, apis: dict[str, KubeApi], host: str) -> None:
        self.folder, self.apis, self.host = folder, apis, host
        clusters = [{"name": name, "cluster": {"server": f"http://{api.host}"}} for name, api in apis.items()]
        contexts = [{"name": name, "context": {"cluster": name, "user": "me", "namespace": "prod"}} for name in apis]
        users = [{"name": "me", "user": {"token": "token-of-the-cluster"}}]
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({"clusters": clusters, "contexts": contexts, "users": users}))

    def deploy(self, note: str, text: str = TEXT) -> tuple[int, dict[str, str]]:
        """The exit code, and the state of each target."""
        place = self.folder / "shop"
        environment = runs.environment(place, KUBECONFIG=str(self.kubeconfig))
        loaded = runs.project(place, text.replace("HOST", self.host), environment)
        (place / "hello.txt").write_text(f"hello {note}\n")
        events: list[Event] = []
        code = deploy(runs.run(loaded, environment, events, clock=Clock()))
        return code, {event.target: event.state for event in events if isinstance(event, TargetFinished)}


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[Clusters]:
    with KubeApi() as one, KubeApi() as two, KubeApi() as three, EmbeddedRegistry() as registry:
        yield Clusters(tmp_path, {"one": one, "two": two, "arn:aws:eks:eu/three": three}, registry.host)


@pytest.mark.slow
def test_clusters_are_deployed_in_waves_and_a_failure_stops_the_next_one(clusters: Clusters) -> None:
    assert clusters.deploy("first") == (0, dict.fromkeys(NAMES, "healthy"))
    assert clusters.deploy("first") == (0, dict.fromkeys(NAMES, "unchanged"))
    generations = [api.objects["deployments", "shop"]["metadata"]["generation"] for api in clusters.apis.values()]
    clusters.apis["one"].starts = False
    code, states = clusters.deploy("second", TEXT.replace("settle: 0s", "settle: 0s, pending: 1s"))
    assert (code, states) == (1, {NAMES[0]: "failed", NAMES[1]: "skipped", NAMES[2]: "skipped"})
    after = [api.objects["deployments", "shop"]["metadata"]["generation"] for api in clusters.apis.values()]
    assert after[1:] == generations[1:], "the second wave is as it was"
