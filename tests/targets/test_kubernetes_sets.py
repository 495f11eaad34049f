"""Objects that left deploy.yml, in an API server in memory: found by the label of their set, removed when all is healthy."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import ShipitError
from shipit.events import Event, PlanMade, StepDone, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare, read_status
from shipit.rehearsal.server import Request, Response
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, set_id, set_name
from tests.servers.kube_api import KubeApi
from tests.targets.kube_place import KubePlace, kube_place

PARENT = "shipit.shop.production.k8s"
ONE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: '1'}\n"
TWO = ONE.replace("one", "two")
ROUTE = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: once}\nspec: {}\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubePlace]:
    with kube_place(tmp_path / "shop", f"{ONE}---\n{TWO}") as found:
        yield found


def planned(place: KubePlace) -> list[str]:
    return [step.summary for step in place.steps()[2]]


def notes(place: KubePlace) -> tuple[str, ...]:
    return prepare(place.run()[0]).plan.targets[0].notes


def recorded(place: KubePlace) -> Any:
    return place.api.objects["configmaps", PARENT]["metadata"]["annotations"]


def test_the_id_of_a_set_is_the_one_that_kubectl_computes() -> None:
    wanted = base64.urlsafe_b64encode(hashlib.sha256(b"a.ns.ConfigMap.").digest()).decode().rstrip("=")
    assert set_id("a", "ns") == f"applyset-{wanted}-v1"
    assert len(set_id("a", "ns")) <= 63, "it is the value of a label"


def test_another_app_environment_or_target_has_another_set() -> None:
    names = {
        set_name("shop", "production", "k8s"),
        set_name("shop", "staging", "k8s"),
        set_name("shop", "production", "eu"),
        set_name("other", "production", "k8s"),
        set_name("shop", "Production", "k8s"),
        set_name("shop", "pro.duction", "k8s"),
        set_name("shop", "é" * 200, "k8s"),
    }
    assert len(names) == 7
    assert all(len(name) <= 253 and name == name.lower() for name in names)
    assert set_name("shop", "production", "k8s") == PARENT


def test_the_label_is_on_the_object_and_not_on_its_pods(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    deployment = place.api.objects["deployments", "web"]
    assert deployment["metadata"]["labels"][PART_OF_LABEL] == set_id(PARENT, "prod")
    assert PART_OF_LABEL not in json.dumps(deployment["spec"])
    assert recorded(place) == {
        "applyset.kubernetes.io/tooling": "shipit/v0.1.0",
        "applyset.kubernetes.io/contains-group-kinds": "ConfigMap,Deployment.apps,Secret,Service",
        "applyset.kubernetes.io/additional-namespaces": "",
    }
    for key, item in place.api.objects.items():
        if key[0] in ("configmaps", "services", "deployments", "secrets") and key[1] not in (PARENT, *place.records):
            assert item["metadata"]["labels"][PART_OF_LABEL] == set_id(PARENT, "prod"), key
    [record] = place.records
    labels = place.api.objects["secrets", record]["metadata"]["labels"]
    assert PART_OF_LABEL not in labels, "prune does not find the records of releases"
    assert labels["shipit.dev/release-of"] == set_id(PARENT, "prod")


@pytest.mark.slow
def test_what_left_is_removed_after_the_new_is_healthy_and_the_record_is_narrowed(place: KubePlace) -> None:
    place.own = f"{ONE}---\n{ROUTE}"
    assert place.deploy()[0] == 0
    place.own = TWO
    assert planned(place) == [
        "create ConfigMap/two",
        "remove Ingress/once, which left deploy.yml",
        "remove ConfigMap/one, which left deploy.yml",
        f"wait until it is gone and record in ConfigMap/{PARENT} what is left",
    ]
    seen: list[tuple[str, bool]] = []

    def look(event: Event) -> None:
        if isinstance(event, StepDone) and event.step.action == "apply":
            seen.append((event.step.subject, ("configmaps", "one") in place.api.objects))

    code, finished, _ = place.deploy(meddle=look)
    assert (code, finished.state) == (0, "healthy")
    assert [subject.split("/")[0] for subject, _ in seen] == [
        "apply ConfigMap", "remove Ingress.networking.k8s.io", "remove ConfigMap", f"narrow {PARENT}",
    ]  # fmt: skip
    assert [is_there for _, is_there in seen] == [True, True, False, False]
    assert recorded(place)["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap,Deployment.apps,Secret,Service"
    assert planned(place) == []


@pytest.mark.slow
def test_a_failed_deploy_removes_nothing(place: KubePlace) -> None:
    assert place.deploy("one")[0] == 0
    place.own = ONE
    place.api.starts = False
    run, _ = place.run("two")
    run.timeout_s = 6
    assert deploy(run) == 1
    assert ("configmaps", "two") in place.api.objects


@pytest.mark.slow
def test_objects_of_an_older_shipit_get_the_label_in_place(place: KubePlace) -> None:
    place.own = f"{ONE}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: lone}}\nspec: {{containers: [{{name: a, image: b}}]}}\n"
    assert place.deploy()[0] == 0
    before = {key: item["metadata"]["uid"] for key, item in place.api.objects.items()}
    specs = {key: item.get("spec") for key, item in place.api.objects.items()}
    del place.api.objects["configmaps", PARENT]
    for item in place.api.objects.values():
        item["metadata"].get("labels", {}).pop(PART_OF_LABEL, None)
    code, finished, _ = place.deploy()
    assert code == 0, finished.reason
    for key in (("configmaps", "one"), ("pods", "lone"), ("secrets", place.env_secret)):
        item = place.api.objects[key]
        assert (item["metadata"]["uid"], item.get("spec")) == (before[key], specs[key]), key
        assert item["metadata"]["labels"][PART_OF_LABEL] == set_id(PARENT, "prod"), key
    assert planned(place) == []


@pytest.mark.slow
def test_what_shipit_did_not_label_stays_and_is_told(place: KubePlace) -> None:
    """Somebody labels an object of their own; a controller copies labels to one that it owns."""
    assert place.deploy()[0] == 0
    forged = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "theirs", "labels": {PART_OF_LABEL: set_id(PARENT, "prod")}},
    }
    place.api.update_or_create("configmaps", "theirs", forged)
    own = place.api.objects["configmaps", "two"]
    owners = [{"uid": "of-a-controller", "kind": "Thing", "name": "x", "apiVersion": "v1"}]
    own["metadata"]["ownerReferences"] = owners
    copied = {**forged, "metadata": {**forged["metadata"], "name": "copied", "ownerReferences": owners}}  # type: ignore[dict-item]
    place.api.update_or_create("configmaps", "copied", copied)
    place.own = ONE
    assert planned(place) == []
    said = notes(place)
    assert f"ConfigMap/theirs has the label {PART_OF_LABEL}, which shipit did not set: it stays" in said
    assert any(line.startswith("ConfigMap/two has the label") for line in said)
    assert not any("ConfigMap/copied" in line for line in said), "it goes with its owner"
    assert place.deploy()[0] == 0
    assert {("configmaps", "theirs"), ("configmaps", "two")} <= set(place.api.objects)


@pytest.mark.slow
@pytest.mark.parametrize("annotation", ["helm.sh/resource-policy: keep", 'shipit.dev/keep: "true"'])
def test_what_says_keep_stays_and_is_told(place: KubePlace, annotation: str) -> None:
    place.own = f"{ONE}---\n{TWO.replace('{name: two}', '{name: two, annotations: {' + annotation + '}}')}"
    assert place.deploy()[0] == 0
    place.own = ONE
    assert planned(place) == []
    assert notes(place) == (
        "ConfigMap/two left deploy.yml and stays; delete it with kubectl --context mem -n prod delete configmap two",
    )
    assert place.deploy()[0] == 0
    assert ("configmaps", "two") in place.api.objects


def test_a_command_to_paste_quotes_the_name_of_the_context(place: KubePlace) -> None:
    place.own = f"{ONE}---\n{TWO.replace('{name: two}', '{name: two, annotations: {helm.sh/resource-policy: keep}}')}"
    assert place.deploy()[0] == 0
    place.own, place.context = ONE, "my cluster; date"
    assert notes(place) == (
        "ConfigMap/two left deploy.yml and stays; "
        "delete it with kubectl --context 'my cluster; date' -n prod delete configmap two",
    )


def test_an_object_that_somebody_took_over_since_the_plan_stays(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    place.own = ONE

    def meddle(event: Event) -> None:
        if isinstance(event, PlanMade):
            place.api.update("configmaps", "two", "kubectl-label", {"metadata": {"labels": {PART_OF_LABEL: "other"}}})

    code, finished, _ = place.deploy(meddle=meddle)
    assert code == 1
    assert (
        finished.reason
        == "it was healthy, then removing what left deploy.yml failed: ConfigMap/two is no object of this target any more: it stays"
    )
    assert ("configmaps", "two") in place.api.objects
    assert place.deploy()[0] == 0


def test_an_object_of_another_set_is_refused_unless_taken_over(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    labels = place.api.objects["configmaps", "two"]["metadata"]["labels"]
    labels[PART_OF_LABEL] = set_id("shipit.shop.staging.k8s", "prod")
    with pytest.raises(ShipitError, match="ConfigMap/two belongs to another app, environment or target"):
        place.steps()


@pytest.mark.slow
def test_another_file_with_the_same_app_has_to_be_confirmed(place: KubePlace) -> None:
    """Two folders of one git tree with the same name of app would remove each other's objects."""
    assert place.deploy()[0] == 0
    tree = place.folder.parent
    (tree / ".git").mkdir()
    place.own = f"{ONE}---\n{TWO}---\n{ROUTE}"
    assert place.deploy()[0] == 0
    assert recorded(place)["shipit.dev/file"] == "shop/deploy.yml"
    place.folder, place.own = tree / "other", ONE
    steps = [step for step in place.steps()[2] if step.summary.startswith("remove")]
    assert [(step.summary, step.destroys, step.detail) for step in steps] == [
        (
            f"remove {key}, which left deploy.yml",
            True,
            ("shop/deploy.yml deployed here before, with the same app, environment and target",),
        )
        for key in ("Ingress/once", "ConfigMap/two")
    ]
    run, _ = place.run()
    run.confirm = lambda plan, reasons: False
    with pytest.raises(ShipitError, match="not confirmed"):
        deploy(run)
    assert ("configmaps", "two") in place.api.objects
    assert place.deploy()[0] == 0
    assert recorded(place)["shipit.dev/file"] == "other/deploy.yml"


def test_a_manifest_that_says_its_set_is_refused(place: KubePlace) -> None:
    place.own = ONE.replace("{name: one}", "{name: one, labels: {applyset.kubernetes.io/part-of: mine}}")
    with pytest.raises(ShipitError, match=r"ConfigMap/one has the label .*, which shipit sets"):
        place.steps()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"annotations": {"applyset.kubernetes.io/tooling": "kubectl/v1.34"}}, "is managed by kubectl"),
        ({"annotations": {}}, "has no annotation that says who manages it"),
        ({"labels": {"applyset.kubernetes.io/id": "applyset-other-v1"}}, "is not the id of this object"),
    ],
)
def test_a_parent_that_is_not_ours_is_refused(place: KubePlace, change: dict[str, Any], what: str) -> None:
    assert place.deploy()[0] == 0
    place.api.objects["configmaps", PARENT]["metadata"] |= change
    with pytest.raises(ShipitError, match=what):
        place.steps()


def test_without_the_right_to_list_a_kind_the_plan_says_so(tmp_path: Path) -> None:
    class Strict(KubeApi):
        def answer(self, request: Request) -> Response:
            if request.method == "GET" and request.path.endswith(("/secrets", "/configmaps")):
                return Response(403, b'{"kind": "Status", "reason": "Forbidden"}')
            return super().answer(request)

    with kube_place(tmp_path / "shop", ONE, Strict) as place:
        assert place.deploy()[0] == 0
        assert notes(place) == tuple(
            f"you may not list {kind} in namespace prod: what left deploy.yml of these is not found"
            for kind in ("configmaps", "secrets")
        )
        assert planned(place) == []


@pytest.mark.slow
def test_an_object_that_is_not_gone_is_waited_for_and_named(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    place.api.objects["configmaps", "two"]["metadata"]["finalizers"] = ["example.com/hold"]
    place.own = ONE
    run, events = place.run()
    run.timeout_s = 6
    assert deploy(run) == 1
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    assert "ConfigMap/two is being deleted, which waits for example.com/hold" in finished.reason
    assert notes(place) == ("ConfigMap/two left deploy.yml and is being deleted, and waits for example.com/hold",)
    assert planned(place) == [], "it is not deleted again"


@pytest.mark.slow
def test_a_deploy_that_stops_between_any_two_steps_is_completed_by_the_next(tmp_path: Path) -> None:
    """Each step in a process of its own; the next run finds what the first ones left."""
    for count in range(5):
        with kube_place(tmp_path / str(count), f"{ONE}---\n{ROUTE}") as place:
            assert place.deploy()[0] == 0
            place.own = TWO
            _, release, steps = place.steps()
            assert len(steps) == 4
            assert place.apply_elsewhere(steps[:count], release).error == ""
            assert place.deploy()[0] == 0
            there = {name for kind, name in place.api.objects if kind in ("configmaps", "ingresses")}
            assert there == {"two", PARENT}
            assert "Ingress.networking.k8s.io" not in recorded(place)["applyset.kubernetes.io/contains-group-kinds"]
            assert planned(place) == []


def test_only_a_plan_reads_the_set_and_the_release_jobs(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    run, _ = place.run()
    place.api.log.clear()
    read_status(run)
    read = {path.rpartition("/")[2] for _, path in place.api.log}
    assert "web" in read and not read & {PARENT, "jobs"}, read
