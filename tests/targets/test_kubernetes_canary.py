"""The steps of a canary: how many pods, before what, and what ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.events import Event, StepDone, TargetFinished, Waiting
from shipit.pipeline.flow import deploy
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.targets.kubernetes.canary import pods_of
from shipit.targets.kubernetes.steps import RunCanary
from tests import runs
from tests.servers.kube_api import KubeApi
from tests.targets.version_place import HEAD, Place

TEXT = (
    HEAD
    + """\
      web: {port: 3000, replicas: 4, canary: {steps: [10, 50], pause: 0s}}
      worker: {command: [work]}
"""
)


@pytest.mark.parametrize(
    ("percent", "replicas", "pods"),
    [(10, 4, 1), (50, 4, 2), (1, 1, 1), (100, 1, 1), (50, 3, 2), (33, 100, 33), (10, 11, 2), (100, 7, 7)],
)
def test_the_number_of_pods_is_rounded_up(percent: int, replicas: int, pods: int) -> None:
    assert pods_of(percent, replicas) == pods


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with KubeApi() as api, EmbeddedRegistry() as registry:
        yield Place(tmp_path / "shop", api, registry.host, TEXT)


def test_every_workload_waits_for_the_canary_and_a_service_does_not(place: Place) -> None:
    assert place.deploy("one")[0] == 0
    plan = place.plan("two", TEXT.replace("port: 3000", "port: 3001"))
    assert [step.id for step in plan.steps] == [
        "apply Service/web",
        "canary web 10",
        "canary web 50",
        "apply Deployment/web",
        "apply Deployment/worker",
        "end Deployment/web-canary",
    ]
    code, events = place.deploy("two", TEXT.replace("port: 3000", "port: 3001"))
    assert code == 0
    done = [event.step.subject for event in events if isinstance(event, StepDone) and event.step.action == "apply"]
    assert done.index("canary web 50") < done.index("apply Deployment/worker")
    assert ("deployments", "web-canary") not in place.api.objects


def test_the_pods_of_a_canary_have_what_the_service_selects_and_a_label_of_their_own(place: Place) -> None:
    assert place.deploy("one")[0] == 0
    [first, _] = [step for step in place.plan("two").steps if isinstance(step, RunCanary)]
    spec, own = first.manifest["spec"], {"shipit.dev/canary-of": "web"}
    selected = place.api.objects["services", "web"]["spec"]["selector"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == {**selected, **own}
    assert labels.items() >= {**selected, **own}.items()
    assert spec["replicas"] == 1
    assert "canary" not in json.dumps(place.api.objects["deployments", "web"]["spec"])


@pytest.mark.parametrize(
    ("replicas", "note"),
    [("replicas: 0", "web: no canary, because Deployment/web has no pods"), ("replicas: 4", "")],
)
def test_a_workload_without_pods_has_no_canary_and_the_plan_says_so(place: Place, replicas: str, note: str) -> None:
    text = TEXT.replace("replicas: 4", replicas)
    assert place.plan("one", text).notes == ("web: no canary, because no earlier version runs",)
    assert place.deploy("one", text)[0] == 0
    plan = place.plan("two", text)
    assert plan.notes == ((note,) if note else ())
    assert any(isinstance(step, RunCanary) for step in plan.steps) == (not note)
    same = place.plan("one", text)
    assert same.steps == ()


def test_an_autoscaled_workload_has_a_share_of_the_current_number(place: Place) -> None:
    text = TEXT.replace("replicas: 4", "cpu: 100m, scale: {min: 2, max: 20}")
    assert place.deploy("one", text)[0] == 0
    place.api.update("deployments", "web", "kube-controller-manager", {"spec": {"replicas": 10}})
    steps = [step for step in place.plan("two", text).steps if isinstance(step, RunCanary)]
    assert [step.manifest["spec"]["replicas"] for step in steps] == [1, 5]
    assert steps[1].summary == "canary 50 %: 5 of 10 pods of web beside the earlier version, 33 % of all"


@pytest.mark.slow
def test_a_canary_that_somebody_else_changes_fails_and_stays_theirs(place: Place) -> None:
    text = TEXT.replace("pause: 0s", "pause: 1s")
    assert place.deploy("one", text)[0] == 0
    run, events = place.run("two", text)

    def meddle(event: Event) -> None:
        if isinstance(event, Waiting) and "watched for" in event.reason:
            template = place.api.objects["deployments", "web-canary"]["spec"]["template"]
            [container] = template["spec"]["containers"]
            theirs = {"spec": {"containers": [{**container, "image": "theirs"}]}}
            place.api.update("deployments", "web-canary", "kubectl-set", {"spec": {"template": theirs}})

    runs.react(run, meddle)
    assert deploy(run) == 1
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    assert "Deployment/web-canary: superseded by kubectl-set at 20" in finished.reason, finished.reason
    assert finished.reason.endswith("; it stays as it is now; this run did not change Deployment/web")
    assert ("deployments", "web-canary") in place.api.objects
    assert place.deploy("two", text)[0] == 0
    assert ("deployments", "web-canary") not in place.api.objects


def test_a_canary_that_fails_says_nothing_of_what_somebody_else_did_to_the_deployment(place: Place) -> None:
    text = TEXT.replace("timeout: 30s", "timeout: 60s\n    pending: 1s")
    assert place.deploy("one", text)[0] == 0
    run, events = place.run("two", text)
    place.api.starts = False

    def meddle(event: Event) -> None:
        if isinstance(event, Waiting) and "web-canary" in event.reason:
            place.api.update("deployments", "web", "kubectl-scale", {"spec": {"replicas": 7}})

    runs.react(run, meddle)
    assert deploy(run) == 1
    assert place.api.objects["deployments", "web"]["spec"]["replicas"] == 7
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    assert finished.reason.endswith("; it is removed; this run did not change Deployment/web"), finished.reason


def test_pods_that_never_start_end_the_canary_after_pending(place: Place) -> None:
    text = TEXT.replace("timeout: 30s", "timeout: 60s\n    pending: 1s")
    assert place.deploy("one", text)[0] == 0
    before = place.api.objects["deployments", "web"]["metadata"]["generation"]
    place.api.starts = False
    code, events = place.deploy("two", text)
    assert code == 1
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    assert finished.reason.startswith("the canary at 10 % failed: Deployment/web-canary: "), finished.reason
    assert "no progress for" in finished.reason
    assert ("deployments", "web-canary") not in place.api.objects
    assert place.api.objects["deployments", "web"]["metadata"]["generation"] == before
