"""A workload with two Deployments: which one a version goes to, in what order, and how long the earlier one stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipit.events import Event, StepDone, TargetFinished, Waiting
from shipit.pipeline import flow
from shipit.pipeline.prepare import prepare
from shipit.pipeline.return_to_release import rollback
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Release, Seen, State
from shipit.targets.base import Target, notes
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.render import NAME_LABEL
from shipit.targets.kubernetes.slots import VERSION_ANNOTATION
from tests import runs
from tests.servers.kube_api import KubeApi
from tests.targets.version_place import HEAD, Place

TEXT = (
    HEAD
    + """\
      web: {port: 3000, replicas: 2, host: shop.example.com, blue_green: {keep: KEEP}}
"""
)
KEPT, GONE, PLAIN = (
    TEXT.replace("KEEP", "8000h"),
    TEXT.replace("KEEP", "0s"),
    TEXT.replace(", blue_green: {keep: KEEP}", ""),
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with KubeApi() as api, EmbeddedRegistry() as registry:
        api.time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield Place(tmp_path / "shop", api, registry.host, TEXT)


def deployments(place: Place) -> list[str]:
    return sorted(name for plural, name in place.api.objects if plural == "deployments")


def selected(place: Place) -> str:
    return str(place.api.objects["services", "web"]["spec"]["selector"]["app.kubernetes.io/name"])


def ids(place: Place, note: str, text: str) -> list[str]:
    return [step.id for step in place.plan(note, text).steps]


def deploy(place: Place, note: str, text: str) -> None:
    code, events = place.deploy(note, text)
    assert code == 0, [event for event in events if isinstance(event, TargetFinished)]
    assert place.plan(note, text).steps == ()


@pytest.mark.slow
def test_a_new_version_goes_to_the_other_deployment_and_back(place: Place) -> None:
    deploy(place, "one", KEPT)
    assert (deployments(place), selected(place)) == (["web-blue"], "web-blue")
    assert ids(place, "two", KEPT) == ["apply Deployment/web-green", "await Deployment/web-green", "apply Service/web"]
    deploy(place, "two", KEPT)
    assert (deployments(place), selected(place)) == (["web-blue", "web-green"], "web-green")
    [note] = place.plan("two", KEPT).notes
    assert note.startswith("Deployment/web-blue, the version before the switch, stays for another ")
    assert ids(place, "one", KEPT) == ["await Deployment/web-blue", "apply Service/web"], "going back is the selector"
    deploy(place, "one", KEPT)
    assert selected(place) == "web-blue"
    deploy(place, "three", KEPT)
    assert selected(place) == "web-green"


@pytest.mark.parametrize(("left", "shown"), [(timedelta(seconds=20), "1m"), (timedelta(hours=2, minutes=5), "2h5m")])
def test_the_plan_says_how_long_the_earlier_version_stays_in_whole_minutes(
    place: Place, left: timedelta, shown: str
) -> None:
    deploy(place, "one", KEPT)
    deploy(place, "two", KEPT)
    run, _ = place.run("two", KEPT)
    preparation, [target] = prepare(run), run.targets
    observed = preparation.observed["k8s"]
    assert isinstance(observed, KubernetesObserved) and notes(target)
    at = datetime.fromisoformat(place.api.time) + timedelta(hours=8000) - left
    said = target.notes(preparation.releases["k8s"], replace(observed, time=at.isoformat()))
    assert list(said) == [f"Deployment/web-blue, the version before the switch, stays for another {shown}"]


def test_the_plan_says_what_a_new_version_changes(place: Place) -> None:
    text = KEPT.replace("replicas: 2", "replicas: 2, env: {MODE: old, EXTRA: x}")
    deploy(place, "one", text)
    step = place.plan("one", text.replace("MODE: old, EXTRA: x", "MODE: new")).steps[0]
    assert step.detail[:1] == ("replicas 2",)
    assert step.detail[2:] == (
        "beside Deployment/web-blue, from which it differs in:",
        "  containers[web].env[MODE].value  old -> new",
        "  - containers[web].env[EXTRA]",
    )


@pytest.mark.slow
def test_the_earlier_version_is_removed_by_the_first_deploy_after_the_time(place: Place) -> None:
    place.api.time = "2026-01-31T12:00:00Z"
    text = TEXT.replace("KEEP", "1s")
    deploy(place, "one", text)
    assert place.deploy("two", text)[0] == 0
    assert deployments(place) == ["web-blue", "web-green"]
    assert ids(place, "two", text) == ["remove Deployment/web-blue"]
    deploy(place, "two", text)
    assert deployments(place) == ["web-green"]


@pytest.mark.slow
def test_without_time_it_is_removed_when_the_new_one_is_healthy(place: Place) -> None:
    deploy(place, "one", GONE)
    assert ids(place, "two", GONE)[-1] == "remove Deployment/web-blue"
    deploy(place, "two", GONE)
    assert (deployments(place), selected(place)) == (["web-green"], "web-green")


def test_what_is_no_new_version_stays_where_it_is(place: Place) -> None:
    deploy(place, "one", KEPT)
    assert ids(place, "one", KEPT.replace("replicas: 2", "replicas: 3")) == ["apply Deployment/web-blue"]
    place.api.update("deployments", "web-blue", "kubectl-edit", {"spec": {"template": {"spec": {"nodeName": "x"}}}})
    containers = place.api.objects["deployments", "web-blue"]["spec"]["template"]["spec"]["containers"]
    edited = {"spec": {"template": {"spec": {"containers": [{**containers[0], "image": "theirs"}]}}}}
    place.api.update("deployments", "web-blue", "kubectl-edit", edited)
    assert ids(place, "one", KEPT) == ["apply Deployment/web-blue"], "an edit is set back in place"


@pytest.mark.slow
def test_a_deployment_becomes_two_and_one_again_without_a_gap(place: Place) -> None:
    deploy(place, "one", PLAIN)
    assert ids(place, "one", KEPT) == [
        "apply Deployment/web-blue",
        "await Deployment/web-blue",
        "apply Service/web",
        "remove Deployment.apps/prod/web",
        "narrow shipit.shop.production.k8s",
    ]
    deploy(place, "one", KEPT)
    assert (deployments(place), selected(place)) == (["web-blue"], "web-blue")
    assert ids(place, "two", PLAIN)[:3] == ["apply Deployment/web", "await Deployment/web", "apply Service/web"]
    deploy(place, "two", PLAIN)
    assert (deployments(place), selected(place)) == (["web"], "web")


def test_a_version_that_does_not_start_is_removed_before_the_switch(place: Place) -> None:
    text = KEPT.replace("timeout: 30s", "timeout: 60s\n    pending: 1s")
    deploy(place, "one", text)
    place.api.starts = False
    code, events = place.deploy("two", text)
    assert code == 1
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    assert finished.reason.startswith("Deployment/web-green failed before the switch: "), finished.reason
    assert finished.reason.endswith("; it is removed, and Service/web did not select it")
    assert (deployments(place), selected(place)) == (["web-blue"], "web-blue")
    assert place.plan("one", text).steps == ()


def test_a_version_that_fails_says_of_the_service_what_was_read(place: Place) -> None:
    text = KEPT.replace("timeout: 30s", "timeout: 60s\n    pending: 1s")
    deploy(place, "one", text)
    run, events = place.run("two", text)
    place.api.starts = False

    def meddle(event: Event) -> None:
        if isinstance(event, Waiting) and "web-green" in event.reason:
            place.api.update("services", "web", "kubectl-edit", {"spec": {"selector": {NAME_LABEL: "theirs"}}})

    runs.react(run, meddle)
    assert flow.deploy(run) == 1
    assert selected(place) == "theirs"
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    assert finished.reason.endswith("; it is removed, and Service/web did not select it"), finished.reason


@pytest.mark.slow
@pytest.mark.parametrize("text", [KEPT, GONE], ids=["kept", "removed"])
def test_a_rollback_selects_the_earlier_version_when_it_is_ready(place: Place, text: str) -> None:
    deploy(place, "one", text)
    deploy(place, "two", text)
    run, events = place.run("two", text)
    assert rollback(run) == 0, [event for event in events if isinstance(event, TargetFinished)]
    done = [event.step.subject for event in events if isinstance(event, StepDone) and event.step.action == "apply"]
    assert done.index("await Deployment/web-blue") < done.index("apply Service/web")
    assert ("apply Deployment/web-blue" in done) == (text == GONE), "one that was kept is as it was"
    assert (deployments(place), selected(place)) == (["web-blue"], "web-blue")
    assert place.plan("one", text).steps == ()


def test_an_autoscaled_version_starts_with_as_many_pods_as_the_earlier_one_has(place: Place) -> None:
    text = KEPT.replace("replicas: 2", "cpu: 100m, scale: {min: 2, max: 20}")
    deploy(place, "one", text)
    place.api.update("deployments", "web-blue", "kube-controller-manager", {"spec": {"replicas": 10}})
    deploy(place, "two", text)
    assert place.api.objects["deployments", "web-green"]["spec"]["replicas"] == 10
    target = place.api.objects["horizontalpodautoscalers", "web"]["spec"]["scaleTargetRef"]
    assert target["name"] == "web-green"


@pytest.mark.slow
def test_a_look_after_an_edit_of_the_version_is_judged_as_by_a_new_run(place: Place) -> None:
    deploy(place, "one", KEPT)
    deploy(place, "two", KEPT)

    def ready() -> tuple[Target, Release, KubernetesObserved]:
        run, _ = place.run("two", KEPT)
        release = prepare(run).releases["k8s"]
        [target] = run.targets
        return target, release, target.observe(run.session(target, is_planning=False))

    target, release, observed = ready()
    seen = Seen(9, 0, 9)
    assert target.judge(release, observed, seen).state is State.HEALTHY
    live = observed.objects["Deployment/web-green"]
    assert live is not None
    edited = live.meta._replace(annotations={**live.meta.annotations, VERSION_ANNOTATION: "other"})
    observed = replace(observed, objects={**observed.objects, "Deployment/web-green": live._replace(meta=edited)})
    found = target.judge(release, observed, seen)
    assert found.state is not State.HEALTHY
    assert found == ready()[0].judge(release, observed, seen)
