"""The real cluster between plan and step, what admission adds, and copies of Secrets."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.errors import RemoteError
from shipit.events import Event, PlanMade, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import observe_target, prepare
from shipit.pipeline.run import Run
from shipit.targets.base import reverts
from shipit.targets.kubernetes.adoption import joined_rows
from shipit.targets.kubernetes.steps import RestoreSecret
from shipit.testing.fresh_process import apply_in_fresh_process
from tests import runs
from tests.servers.cluster import PAUSE, Cluster, namespace_of
from tests.shipit import Shipit, unwrapped

pytestmark = pytest.mark.cluster

TEXT = "app: shop\ntargets:\n  k8s: {namespace: NAMESPACE, settle: 0s, timeout: 240s, manifests: [objects.json]MORE}\n"
TOLERATION = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
Object = dict[str, Any]


class Shop:
    """A project of manifests in a namespace of its own."""

    def __init__(self, folder: Path, cluster: Cluster, namespace: str) -> None:
        self.folder, self.cluster, self.namespace = folder, cluster, namespace
        cluster.kubectl("create", "namespace", namespace)

    def run(
        self, *objects: Object, folder: str = "shop", meddle: Callable[[], object] | None = None, more: str = ""
    ) -> tuple[Run, list[Event]]:
        """A run with these manifests. `meddle` is called when the plan is made."""
        place = self.folder / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        process_environment = runs.environment(place, **self.variables())
        events: list[Event] = []
        run = runs.run(
            runs.project(place, TEXT.replace("NAMESPACE", self.namespace).replace("MORE", more), process_environment),
            process_environment,
            events,
            clock=Clock(),
        )
        if meddle is not None:
            runs.react(run, lambda event: _call(meddle) if isinstance(event, PlanMade) else None)
        return run, events

    def deploy(
        self,
        *objects: Object,
        folder: str = "shop",
        meddle: Callable[[], object] | None = None,
        more: str = "",
        wait_s: float = 0,
    ) -> tuple[int, TargetFinished]:
        run, events = self.run(*objects, folder=folder, meddle=meddle, more=more)
        code = deploy(run, wait_s=wait_s)
        return code, next(event for event in events if isinstance(event, TargetFinished))

    def variables(self) -> Mapping[str, str]:
        return {"KUBECONFIG": str(self.cluster.kubeconfig)}

    def patch(self, thing: str, change: Object, manager: str = "kubectl-edit") -> None:
        self.kubectl("patch", thing, "--type=merge", f"--field-manager={manager}", "-p", json.dumps(change))

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def get(self, thing: str) -> Any:
        return json.loads(self.kubectl("get", thing, "-o", "json"))


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster, request: pytest.FixtureRequest) -> Shop:
    name = namespace_of(request.node)
    return Shop(tmp_path, cluster, name)


def config_map(value: str, name: str = "settings") -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": value}}


def deployment(mode: str, **spec: Any) -> Object:
    container = {"name": "web", "image": PAUSE, "imagePullPolicy": "Never", "env": [{"name": "MODE", "value": mode}]}
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    whole = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": whole}


def test_an_edit_between_plan_and_step_stops_the_deploy(shop: Shop) -> None:
    assert shop.deploy(config_map("1"), deployment("one"))[0] == 0
    code, finished = shop.deploy(
        config_map("2"), deployment("two"), meddle=lambda: shop.patch("deployment/web", {"spec": {"replicas": 3}})
    )
    assert code == 1
    assert finished.reason.startswith("Deployment/web changed since the plan, by kubectl-edit at 20")
    assert finished.reason.endswith(": replicas is 3, not 1")
    assert shop.get("deployment/web")["spec"]["replicas"] == 3, "it is not overwritten"
    code, finished = shop.deploy(config_map("2"), deployment("two"))
    assert code == 0, finished.reason
    assert prepare(shop.run(config_map("2"), deployment("two"))[0]).plan.changes == 0


def test_status_and_fields_of_others_between_plan_and_step_do_not_stop_it(shop: Shop) -> None:
    assert shop.deploy(config_map("1"), deployment("one"))[0] == 0

    def meddle() -> None:
        shop.kubectl("rollout", "restart", "deployment/web")
        shop.kubectl("annotate", "configmap", "settings", "note=theirs")

    code, finished = shop.deploy(config_map("2"), deployment("two"), meddle=meddle)
    assert code == 0, finished.reason
    assert shop.get("configmap/settings")["data"] == {"a": "2"}


def test_two_deploys_at_once_of_the_same_and_of_another_input(shop: Shop) -> None:
    found: dict[str, tuple[int, TargetFinished]] = {}

    def start(folder: str, mode: str) -> None:
        # The one that comes second waits for the lock, and plans again.
        found[folder] = shop.deploy(config_map(mode), deployment(mode), folder=folder, wait_s=120)

    threads = [threading.Thread(target=start, args=(folder, "same")) for folder in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert [code for code, _ in found.values()] == [0, 0], found
    assert prepare(shop.run(config_map("same"), deployment("same"))[0]).plan.changes == 0

    code, finished = shop.deploy(config_map("one"), deployment("one"), meddle=lambda: start("other", "two"))
    assert found["other"][0] == 0, found["other"]
    assert code == 1 and "changed since the plan, by another deploy at 20" in finished.reason
    assert shop.get("configmap/settings")["data"] == {"a": "two"}


def test_an_object_created_between_plan_and_step_is_not_overwritten(shop: Shop) -> None:
    meddle = lambda: shop.kubectl("create", "configmap", "settings", "--from-literal=a=theirs")  # noqa: E731
    code, finished = shop.deploy(config_map("1"), meddle=meddle)
    assert code == 1
    assert finished.reason.startswith("ConfigMap/settings was created since the plan, by kubectl-create at 20")
    assert shop.get("configmap/settings")["data"] == {"a": "theirs"}


def test_a_bare_pod_is_replaced_only_when_its_manifest_changes(shop: Shop) -> None:
    def pod(mode: str, name: str = "lone") -> Object:
        container = {
            "name": "lone", "image": PAUSE, "imagePullPolicy": "Never", "env": [{"name": "MODE", "value": mode}],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }  # fmt: skip
        spec = {
            "containers": [container],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "tolerations": [TOLERATION],
            "terminationGracePeriodSeconds": 0,
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}

    sets: list[Object] = []
    for name in ("first", "second"):
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": deployment("x")["spec"]["template"]["spec"]}
        own = {"selector": {"matchLabels": labels}, "template": template}
        sets.append({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": own})
    code, finished = shop.deploy(pod("one"), pod("one", "other"), *sets)
    assert code == 0, finished.reason
    assert "Pod/lone ready, Pod/other ready, ReplicaSet/first 1/1 ready" in finished.reason
    assert shop.deploy(pod("one"))[0] == 0
    first = shop.get("pod/lone")
    assert len(first["spec"]["tolerations"]) == 3 and len(first["spec"]["volumes"]) == 2, "admission added some"
    code, finished = shop.deploy(pod("one"))
    assert (code, finished.state) == (0, "unchanged"), finished.reason
    assert shop.get("pod/lone")["metadata"]["uid"] == first["metadata"]["uid"]
    code, finished = shop.deploy(pod("two"))
    assert code == 0, finished.reason
    assert shop.get("pod/lone")["metadata"]["uid"] != first["metadata"]["uid"]


def test_the_plan_names_what_leaves_a_manifest_and_the_cluster_loses_it(shop: Shop) -> None:
    whole = deployment("one")
    container = whole["spec"]["template"]["spec"]["containers"][0]
    container["livenessProbe"] = {"exec": {"command": ["true"]}, "initialDelaySeconds": 3600}
    container["env"].append({"name": "MORE", "value": "x"})
    whole["metadata"]["labels"] = {"team": "shop"}
    assert shop.deploy(whole)[0] == 0
    [step] = prepare(shop.run(deployment("one"))[0]).plan.targets[0].steps
    assert set(step.detail) == {
        "- metadata.labels.team",
        "- containers[web].livenessProbe",
        "- containers[web].env[MORE]",
    }
    assert shop.deploy(deployment("one"))[0] == 0
    live = shop.get("deployment/web")
    assert "livenessProbe" not in live["spec"]["template"]["spec"]["containers"][0]
    assert prepare(shop.run(deployment("one"))[0]).plan.changes == 0


def test_a_secret_of_a_manifest_is_kept_before_it_changes_and_restored_in_a_fresh_process(shop: Shop) -> None:
    def secret(value: str) -> Object:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "type": "Opaque",
                "stringData": {"password": value}, "data": {"raw": "/w=="}}  # fmt: skip

    assert shop.deploy(secret("canary-one"))[0] == 0
    assert shop.deploy(secret("canary-one"))[1].state == "unchanged"
    run, events = shop.run(secret("canary-two"))
    preparation = prepare(run)
    [step] = preparation.plan.targets[0].steps
    assert re.fullmatch(r"password \(secret\)  hash [0-9a-f]{12} -> [0-9a-f]{12}", step.detail[0])
    assert step.detail[1:] == ("its values until now are kept in Secret/own-previous",)
    assert shop.deploy(secret("canary-two"))[0] == 0
    assert base64.b64decode(shop.get("secret/own-previous")["data"]["password"]) == b"canary-one"
    target, release = run.targets[0], preparation.releases["k8s"]
    assert reverts(target)
    steps = target.plan_rollback(release, preparation.observed["k8s"], observe_target(run, target), {})
    assert [type(step) for step in steps] == [RestoreSecret]
    place = shop.folder / "shop"
    variables = runs.environment(place, **shop.variables()).variables
    assert apply_in_fresh_process(place, variables, "k8s", steps, release).error == ""
    data = shop.get("secret/own")["data"]
    assert (base64.b64decode(data["password"]), data["raw"]) == (b"canary-one", "/w==")
    assert shop.deploy(secret("canary-one"))[1].state == "unchanged"
    assert "canary" not in repr(events) and "canary" not in repr(steps)


@pytest.mark.parametrize("what", ["readiness delay", "init container", "job"])
def test_a_good_deploy_that_takes_longer_than_pending(shop: Shop, what: str) -> None:
    busybox = {"image": PAUSE, "imagePullPolicy": "Never"}
    sleep = {**busybox, "name": "first", "command": ["/busybox", "sleep", "13"]}
    whole = deployment("one")
    pod = whole["spec"]["template"]["spec"]
    if what == "readiness delay":
        probe = {"exec": {"command": ["/busybox", "true"]}, "initialDelaySeconds": 13, "periodSeconds": 1}
        pod["containers"][0]["readinessProbe"] = probe
    elif what == "init container":
        pod["initContainers"] = [sleep]
    else:
        job = {"containers": [sleep], "restartPolicy": "Never"}
        whole = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "work"},
            "spec": {"template": {"spec": job}},
        }
    code, finished = shop.deploy(whole, more=", pending: 10s")
    assert code == 0, finished.reason
    assert shop.deploy(whole, more=", pending: 10s")[1].state == "unchanged"


def test_a_field_that_another_tool_applies_is_a_conflict_unless_it_is_taken_over(shop: Shop) -> None:
    assert shop.deploy(config_map("1"))[0] == 0
    theirs = json.dumps(config_map("theirs"))
    apply = ("-n", shop.namespace, "apply", "--server-side", "--field-manager=argocd", "--force-conflicts", "-f", "-")
    shop.cluster.kubectl(*apply, data=theirs)
    with pytest.raises(RemoteError) as caught:
        prepare(shop.run(config_map("2"))[0])
    assert caught.value.what.startswith("ConfigMap/settings: data.a is theirs, not 2; argocd set it at 20")
    assert caught.value.hint.startswith("let one of the two set the field, set take_over: true on this target")
    assert prepare(shop.run(config_map("theirs"))[0]).plan.changes == 1, "the same value is no conflict"
    [step] = prepare(shop.run(config_map("2"), more=", take_over: true")[0]).plan.targets[0].steps
    assert step.detail[0].startswith("data.a  theirs -> 2, set by argocd at 20")
    assert shop.deploy(config_map("2"), more=", take_over: true")[0] == 0
    assert prepare(shop.run(config_map("2"))[0]).plan.changes == 0


def test_what_helm_made_is_taken_over_where_the_target_says_so(shop: Shop) -> None:
    made = deployment("one", minReadySeconds=1)
    settings = config_map("1")
    settings["data"]["b"] = "2"
    as_helm = ("-n", shop.namespace, "--field-manager=helm", "-f", "-")
    shop.cluster.kubectl("create", *as_helm, data=json.dumps(made))
    secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}}
    for item in (settings, {**secret, "stringData": {"a": "1", "b": "2"}}):
        shop.cluster.kubectl("apply", "--server-side", *as_helm, data=json.dumps(item))
    wanted = [deployment("one"), config_map("1"), {**secret, "stringData": {"a": "1"}}]
    assert shop.deploy(*wanted)[0] == 0
    plan = prepare(shop.run(*wanted)[0]).plan
    [note] = [note for note in plan.targets[0].notes if "Helm" in note]
    assert plan.changes == 0 and note.endswith("those that no manifest has stay until a deploy with take_over: true")
    steps = {
        step.id: step.detail for step in prepare(shop.run(*wanted, more=", take_over: true")[0]).plan.targets[0].steps
    }
    [line, _] = steps.pop("apply Secret/own")
    assert line == "- b (secret)"
    assert steps == {"apply Deployment/web": ("- minReadySeconds",), "apply ConfigMap/settings": ("- data.b",)}
    assert shop.deploy(*wanted, more=", take_over: true")[0] == 0
    plan = prepare(shop.run(*wanted)[0]).plan
    assert plan.changes == 0 and not any("Helm" in note for note in plan.targets[0].notes)
    assert shop.get("configmap/settings")["data"] == {"a": "1"} and set(shop.get("secret/own")["data"]) == {"a"}
    assert "minReadySeconds" not in shop.get("deployment/web")["spec"]


def test_what_kubectl_apply_made_is_taken_over_and_what_left_its_file_leaves_the_cluster(shop: Shop) -> None:
    def with_env(*names: str) -> Object:
        found = deployment("one")
        [container] = found["spec"]["template"]["spec"]["containers"]
        container["env"] += [{"name": name, "value": "x"} for name in names]
        return found

    made = with_env("B")
    [container] = made["spec"]["template"]["spec"]["containers"]
    container["readinessProbe"] = {"exec": {"command": ["/busybox", "true"]}, "periodSeconds": 1}
    settings = config_map("1")
    settings["data"]["b"] = "2"
    own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": {"a": "1", "b": "canary-2"}}
    both = json.dumps({"apiVersion": "v1", "kind": "List", "items": [made, settings, own]})
    shop.cluster.kubectl("-n", shop.namespace, "apply", "-f", "-", data=both)
    shop.kubectl("label", "deployment", "web", "team=shop")
    shop.kubectl("set", "env", "deployment/web", "THEIRS=1")

    own = {**own, "stringData": {"a": "1"}}
    wanted = [with_env("C"), config_map("1"), own]
    steps = {step.id: step.detail for step in prepare(shop.run(*wanted)[0]).plan.targets[0].steps}
    last = "- metadata.annotations.kubectl.kubernetes.io/last-applied-configuration"
    gone = {"- containers[web].env[B]", "- containers[web].readinessProbe", last}
    assert set(steps["apply Deployment/web"]) == {*gone, "+ containers[web].env[C].value  x"}, "and no default"
    assert "- data.b" in steps["apply ConfigMap/settings"] and "- b (secret)" in steps["apply Secret/own"]
    assert "canary" not in repr(steps)
    code, finished = shop.deploy(*wanted)
    assert code == 0, finished.reason
    live = shop.get("deployment/web")
    [container] = live["spec"]["template"]["spec"]["containers"]
    assert {row["name"] for row in container["env"]} == {"MODE", "C", "THEIRS"} and "readinessProbe" not in container
    assert live["metadata"]["labels"]["team"] == "shop", "what somebody else set stays"
    assert shop.get("configmap/settings")["data"] == {"a": "1"}
    assert set(shop.get("secret/own")["data"]) == {"a"}
    shown = shop.kubectl("get", "configmap/settings", "--show-managed-fields", "-o", "json")
    assert {row["manager"] for row in json.loads(shown)["metadata"]["managedFields"]} == {"shipit"}
    plan = prepare(shop.run(*wanted)[0]).plan
    assert plan.changes == 0
    [labelled, given] = sorted(note for note in plan.targets[0].notes if "kubectl" in note)
    assert labelled.startswith("Deployment/web: kubectl-label set metadata.labels.team=shop at 20")
    assert given.startswith("Deployment/web: kubectl-set set containers[web].env[THEIRS].value=1 at 20")
    assert given.endswith("; no manifest has it, and it stays")


def test_a_count_stays_as_long_as_its_autoscaler_is_there(shop: Shop) -> None:
    assert shop.deploy(deployment("one"))[0] == 0
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"minReplicas": 2, "maxReplicas": 3, "scaleTargetRef": target}
    shop.cluster.kubectl("-n", shop.namespace, "apply", "-f", "-", data=json.dumps({**scaler, "spec": spec}))
    count = json.dumps({"spec": {"replicas": 2}})
    by = "--field-manager=kube-controller-manager"
    shop.kubectl("patch", "deployment/web", "--subresource=scale", "--type=merge", by, "-p", count)
    assert prepare(shop.run(deployment("one"))[0]).plan.changes == 0
    shop.kubectl("delete", "hpa", "web")
    [step] = prepare(shop.run(deployment("one"))[0]).plan.targets[0].steps
    assert [line.partition(" at 20")[0] for line in step.detail] == [
        "replicas  2 -> 1, set by an autoscaler that is gone"
    ]
    assert shop.deploy(deployment("one"))[0] == 0
    assert shop.get("deployment/web")["spec"]["replicas"] == 1
    # The count that was in the manifest stays until the autoscaler sets one, which it does not for 0.
    assert shop.deploy(deployment("one", replicas=0))[0] == 0
    changed = [deployment("two"), {**scaler, "spec": spec}]
    assert not any(
        "replicas" in line for step in prepare(shop.run(*changed)[0]).plan.targets[0].steps for line in step.detail
    )
    assert shop.deploy(*changed)[0] == 0
    assert shop.get("deployment/web")["spec"]["replicas"] == 0
    assert prepare(shop.run(*changed)[0]).plan.changes == 0


def test_a_question_at_a_terminal_takes_over_what_another_tool_applies(shop: Shop) -> None:
    assert shop.deploy(config_map("1"))[0] == 0
    theirs = config_map("theirs")
    theirs["data"]["b"] = "2"
    apply = ("-n", shop.namespace, "apply", "--server-side", "--field-manager=helm", "--force-conflicts", "-f", "-")
    shop.cluster.kubectl(*apply, data=json.dumps(theirs))
    (shop.folder / "terminal").mkdir()
    shipit = Shipit(shop.folder / "terminal", shop.folder / "home")
    shipit.env |= shop.variables()
    shipit.write(
        deploy__yml=TEXT.replace("NAMESPACE", shop.namespace).replace("MORE", ""),
        objects__json=json.dumps(config_map("2")),
    )
    nobody = shipit.run("deploy", "--yes")
    assert nobody.returncode == 1 and "data.a is theirs, not 2; helm set it at 20" in nobody.stderr
    code, shown = shipit.converse(["deploy"], [("Take it over?", "n")])
    assert code == 1 and "answer the question of shipit deploy at a terminal" in unwrapped(shown), shown
    assert shop.get("configmap/settings")["data"] == theirs["data"]
    code, shown = shipit.converse(["deploy", "--yes"], [("Take it over?", "y")])
    assert code == 0, shown
    assert "data.a is theirs, not 2; helm set it at 20" in unwrapped(shown), shown
    assert shop.get("configmap/settings")["data"] == {"a": "2"}, "what no manifest has leaves, as with take_over: true"
    assert prepare(shop.run(config_map("2"))[0]).plan.changes == 0


def _call(meddle: Callable[[], object]) -> None:
    meddle()


def scaler(version: str, name: str, **labels: str) -> Object:
    """A HorizontalPodAutoscaler of autoscaling/v1 or v2."""
    percent = {"type": "Utilization", "averageUtilization": 50}
    metrics = {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": percent}}]}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    own: Object = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3}
    spec = {**own, **(metrics if version == "v2" else {"targetCPUUtilizationPercentage": 80})}
    head = {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler"}
    return {**head, "metadata": {"name": name, "labels": labels}, "spec": spec}


def apply_by_kubectl(shop: Shop, *objects: Object, more: Sequence[str] = ()) -> None:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    shop.cluster.kubectl("-n", shop.namespace, "apply", *more, "-f", "-", data=listed)


def check_taken_over(shop: Shop, name: str) -> None:
    """That a scaler is as version 2 has it, and belongs to shipit alone."""
    live = json.loads(shop.kubectl("get", f"hpa/{name}", "--show-managed-fields", "-o", "json"))
    assert not {"old", "new"} & live["metadata"]["labels"].keys()
    assert live["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    by_apply = [row for row in live["metadata"]["managedFields"] if not row.get("subresource")]
    assert [(row["manager"], row["apiVersion"]) for row in by_apply] == [("shipit", "autoscaling/v2")]


def test_what_kubectl_apply_made_with_another_version_is_taken_over_and_ends_unchanged(shop: Shop) -> None:
    # What the second one does not change is still owned by the entry of the first version.
    apply_by_kubectl(shop, scaler("v1", "both", old="1"), scaler("v1", "one", old="1"))
    apply_by_kubectl(shop, scaler("v2", "both", old="1", new="1"))
    wanted = [scaler("v2", "both"), scaler("v2", "one")]
    for _ in range(2):
        steps = {step.id: step.detail for step in prepare(shop.run(*wanted)[0]).plan.targets[0].steps}
        assert "- metadata.labels.old" in steps["apply HorizontalPodAutoscaler/both"]
        assert "- metadata.labels.old" in steps["apply HorizontalPodAutoscaler/one"]
        code, finished = shop.deploy(*wanted)
        assert code == 0, finished.reason
        for name in ("both", "one"):
            check_taken_over(shop, name)
        assert prepare(shop.run(*wanted)[0]).plan.changes == 0
        # Somebody applies the older version over the objects of shipit.
        apply_by_kubectl(shop, scaler("v1", "both", old="1"), scaler("v1", "one", old="1"))


def test_a_deploy_finishes_what_one_that_was_killed_had_begun_to_take_over(shop: Shop) -> None:
    wanted = scaler("v2", "one")
    apply_by_kubectl(shop, scaler("v1", "one"))
    apply_by_kubectl(shop, wanted)
    rows = json.loads(shop.kubectl("get", "hpa/one", "--show-managed-fields", "-o", "json"))["metadata"][
        "managedFields"
    ]
    change = [{"op": "replace", "path": "/metadata/managedFields", "value": joined_rows(rows)}]
    shop.kubectl("patch", "hpa/one", "--type=json", "-p", json.dumps(change))
    apply_by_kubectl(shop, wanted, more=("--server-side", "--field-manager=shipit", "--force-conflicts"))
    rows = json.loads(shop.kubectl("get", "hpa/one", "--show-managed-fields", "-o", "json"))["metadata"][
        "managedFields"
    ]
    assert any(row["manager"].startswith("shipit-adopting-") for row in rows)
    plan = prepare(shop.run(wanted)[0]).plan
    assert "- metadata.annotations.kubectl.kubernetes.io/last-applied-configuration" in str(plan.targets[0].steps)
    assert shop.deploy(wanted)[0] == 0
    check_taken_over(shop, "one")
    assert prepare(shop.run(wanted)[0]).plan.changes == 0
