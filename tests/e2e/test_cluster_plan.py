"""The plan on the real cluster is what a server-side dry run answers: changes, refusals, and no request for what is unchanged."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import ConfigErrors, ShipitError
from shipit.parallel import Failures
from shipit.pipeline.prepare import prepare
from shipit.record import to_json
from shipit.rehearsal.server import Request, Response
from shipit.release import Step
from shipit.targets.kubernetes.steps import ApplyObject, ObjectStep
from tests.e2e.test_cluster_changes import Object, Shop, config_map, deployment
from tests.e2e.test_cluster_faults import Between
from tests.servers.cluster import PAUSE, Cluster, namespace_of
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = pytest.mark.cluster


class Counting(Between):
    """Passes every request on, and keeps those that write: method, last part of the path, and whether it is a dry run."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.asked: list[tuple[str, str, bool]] = []

    def answer(self, request: Request) -> Response:
        is_other = "authorization.k8s.io" in request.path or "/leases" in request.path
        if request.method != "GET" and not is_other:
            self.asked.append((request.method, request.path.rpartition("/")[2], "dryRun" in request.query))
        return super().answer(request)

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(method, name) for method, name, is_dry in self.asked if not is_dry]


class Planner(Shop):
    """A shop whose requests are counted."""

    def __init__(self, folder: Path, cluster: Cluster, namespace: str, between: Counting) -> None:
        super().__init__(folder, cluster, namespace)
        self.between = between

    def variables(self) -> Mapping[str, str]:
        config = {
            "current-context": "between",
            "clusters": [{"name": "between", "cluster": {"server": f"http://{self.between.host}"}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "between", "context": {"cluster": "between", "user": "nobody"}}],
        }
        (self.folder / "kubeconfig").write_text(json.dumps(config))
        return {"KUBECONFIG": str(self.folder / "kubeconfig")}

    def steps(self, *objects: Object) -> tuple[Step, ...]:
        """The steps on objects of a plan, which is the same the second time and writes nothing."""
        before = len(self.between.writes)
        plans = [prepare(self.run(*objects)[0]).plan.targets[0].steps for _ in range(2)]
        first, second = (tuple(step for step in steps if isinstance(step, ObjectStep)) for steps in plans)
        assert to_json(first) == to_json(second)
        assert len(self.between.writes) == before
        return first

    def refused(self, *objects: Object) -> tuple[ShipitError, ...]:
        """The errors of a plan that fails before anything is written."""
        before = len(self.between.writes)
        with pytest.raises(ShipitError) as caught:
            prepare(self.run(*objects)[0])
        assert len(self.between.writes) == before
        found = caught.value.errors if isinstance(caught.value, Failures) else (caught.value,)
        return tuple(
            one for error in found for one in (error.problems if isinstance(error, ConfigErrors) else (error,))
        )


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Planner]:
    name = namespace_of(request.node)
    with Counting(cluster) as between:
        yield Planner(tmp_path, cluster, name, between)


def _container(item: Object) -> Any:
    return item["spec"]["template"]["spec"]["containers"][0]


def test_the_plan_names_what_leaves_and_what_comes_and_no_default(shop: Planner) -> None:
    before = deployment("one")
    _container(before)["env"].append({"name": "B", "value": "two"})
    _container(before)["readinessProbe"] = {"exec": {"command": ["/busybox", "true"]}}
    assert shop.deploy(before)[0] == 0
    after = deployment("new")
    _container(after)["env"].append({"name": "C", "value": "three"})
    _container(after)["startupProbe"] = {"exec": {"command": ["/busybox", "true"]}}
    after["spec"]["template"]["spec"]["volumes"] = [{"name": "tmp", "emptyDir": {}}]
    [step] = shop.steps(after)
    assert set(step.detail) == {
        "containers[web].env[MODE].value  one -> new",
        "- containers[web].env[B]",
        "+ containers[web].env[C].value  three",
        "- containers[web].readinessProbe",
        '+ containers[web].startupProbe.exec.command  ["/busybox", "true"]',
        "+ volumes[tmp].emptyDir  {}",
    }
    assert isinstance(step, ApplyObject)
    changes = {change.path: (change.before, change.after, change.by) for change in step.changes}
    assert changes["spec.template.spec.containers[web].env[MODE].value"] == ("one", "new", "")
    assert changes["spec.template.spec.containers[web].env[B]"] == ({"name": "B", "value": "two"}, None, "")
    assert changes["spec.template.spec.volumes[tmp].emptyDir"] == (None, {}, "")
    assert len(changes) == len(step.detail)
    assert shop.deploy(after)[0] == 0
    assert shop.steps(after) == ()


def test_an_unchanged_deploy_makes_no_dry_run_and_no_write(shop: Planner) -> None:
    assert shop.deploy(config_map("1"), deployment("one"))[0] == 0
    assert len([name for _, name, is_dry in shop.between.asked if is_dry]) == 2
    shop.between.asked.clear()
    assert shop.deploy(config_map("1"), deployment("one"))[1].state == "unchanged"
    assert shop.between.asked == []
    assert shop.deploy(config_map("2"), deployment("one"))[0] == 0
    records = [asked for asked in shop.between.asked if asked[1].startswith("shipit.shop.production.k8s.")]
    assert [(method, is_dry) for method, _, is_dry in records] == [("PATCH", False), ("PATCH", False)], "begun and done"
    others = [asked for asked in shop.between.asked if asked not in records]
    assert others == [("PATCH", "settings", True), ("PATCH", "settings", False)]


def test_text_is_compared_by_line(shop: Planner) -> None:
    text = "".join(f"line {number}\n" for number in range(1, 12))
    assert shop.deploy(config_map(text))[0] == 0
    [step] = shop.steps(config_map(text.replace("line 6", "sixth line")))
    assert step.detail == (
        "data.a", "  line 4:", "    line 4", "    line 5", "  - line 6", "  + sixth line", "    line 7", "    line 8"
    )  # fmt: skip


def test_what_the_server_normalises_is_no_change(shop: Planner) -> None:
    def wanted(cpu: str, port: Any) -> Object:
        whole = deployment("one")
        _container(whole)["resources"] = {"requests": {"cpu": cpu}}
        _container(whole)["ports"] = [{"containerPort": port}]
        return whole

    assert shop.deploy(wanted("1000m", 80))[0] == 0
    assert (
        shop.get("deployment/web")["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "1"
    )
    shop.between.asked.clear()
    assert shop.steps(wanted("1000m", 80)) == ()
    assert shop.between.asked == []
    [step] = shop.steps(wanted("1", 80))
    assert step.detail == ("no value changes: shipit records what it applies, and owns its fields",)


def test_what_the_server_writes_in_other_words_is_no_change(shop: Planner) -> None:
    """A time is written in UTC, which a comparison of texts takes for a change; the dry run does not."""
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "own"},
        "spec": {"holderIdentity": "shop", "renewTime": "2024-01-01T02:00:00.000000+02:00"},
    }
    assert shop.deploy(lease)[0] == 0
    version, written = (shop.get("lease/own")[key] for key in ("metadata", "spec"))
    assert written["renewTime"] == "2024-01-01T00:00:00.000000Z"
    assert shop.steps(lease) == ()
    code, finished = shop.deploy(lease)
    assert (code, finished.state) == (0, "unchanged"), finished.reason
    assert shop.get("lease/own")["metadata"]["resourceVersion"] == version["resourceVersion"]
    lease["spec"] = {"holderIdentity": "other", "renewTime": "2024-01-01T02:00:00.000000+02:00"}
    [step] = shop.steps(lease)
    assert step.detail == ("holderIdentity  shop -> other",)


def test_every_refusal_is_an_error_of_the_plan_at_its_line(shop: Planner) -> None:
    wrong = deployment("one", replicas=-1)
    _container(wrong)["imge"] = "typo"
    broken = config_map("1", "broken")
    broken["data"] = {"a/b": "1"}
    other = deployment("one", replicas=-1)
    other["metadata"]["name"] = "other"
    found = shop.refused(config_map("1"), wrong, broken, other)
    said = {error.what: error for error in found}
    assert set(said) == {
        "Deployment/web is refused by the API server: spec.template.spec.containers[0].imge: unknown field",
        "Deployment/other is refused by the API server: spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        next(
            what
            for what in said
            if what.startswith("ConfigMap/broken is refused by the API server: data[a/b]: Invalid value")
        ),
    }
    text = (shop.folder / "shop" / "objects.json").read_text()
    for part, what in (('"imge"', "unknown field"), ('"a/b"', "data[a/b]")):
        error = next(error for error in found if what in error.what)
        assert error.where == f"objects.json:1:{text.index(part) + 1}"
        assert (error.hint, error.exit_code) == ("correct the manifest", 2)
    assert shop.kubectl("get", "configmaps", "settings", "--ignore-not-found") == ""


def test_an_immutable_field_says_what_can_be_done(shop: Planner) -> None:
    assert shop.deploy(deployment("one"))[0] == 0
    other = deployment("one")
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    [error] = shop.refused(other)
    assert error.what == "Deployment/web is refused by the API server: spec.selector: field is immutable"
    assert error.hint == (
        "this field can't be changed: give the object another name, "
        'or let shipit replace it: annotation shipit.dev/replace: "true"'
    )
    other["metadata"]["annotations"] = {"shipit.dev/replace": "true"}
    [step] = shop.steps(other)
    assert (step.type, step.summary, step.destroys) == ("kubernetes.replace", "replace Deployment/web", True)
    assert "selector.matchLabels.app  web -> other" in step.detail
    uid = shop.get("deployment/web")["metadata"]["uid"]
    code, finished = shop.deploy(other)
    assert code == 0, finished.reason
    assert shop.get("deployment/web")["metadata"]["uid"] != uid
    assert shop.steps(other) == ()
    _container(other)["imge"] = "typo"
    assert "unknown field" in shop.refused(other)[0].what


def test_defaults_of_the_server_leave_with_what_they_were_for_or_the_error_says_how(shop: Planner) -> None:
    """kubernetes/kubernetes#24198: they are nobody's fields, so that server-side apply leaves them beside the new values."""
    before = deployment("one")
    pod = before["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "own", "configMap": {"name": "settings"}}]
    _container(before)["livenessProbe"] = {"tcpSocket": {"port": 1}, "initialDelaySeconds": 600}
    _container(before)["startupProbe"] = {"httpGet": {"path": "/", "port": 1}, "initialDelaySeconds": 600}
    before["spec"]["replicas"] = 0
    assert shop.deploy(config_map("1"), before)[0] == 0
    after = json.loads(json.dumps(before))
    after["spec"]["strategy"] = {"type": "Recreate"}
    after["spec"]["template"]["spec"]["volumes"] = [{"name": "own", "emptyDir": {}}]
    _container(after)["livenessProbe"] = {"httpGet": {"path": "/", "port": 1}, "initialDelaySeconds": 600}
    _container(after)["startupProbe"] = {"exec": {"command": ["/busybox", "true"]}, "initialDelaySeconds": 600}
    [error] = shop.refused(config_map("1"), after)
    assert "spec.strategy.rollingUpdate: Forbidden: may not be specified" in error.what
    way, _, command = error.hint.partition(": ")
    assert way == "the server set this field by itself; remove it"
    program, _, namespace, *arguments = shlex.split(command)
    assert (program, namespace) == ("kubectl", shop.namespace)
    shop.kubectl(*arguments)
    *_, step = shop.steps(config_map("1"), after)
    assert "- volumes[own].configMap" in step.detail
    code, finished = shop.deploy(config_map("1"), after)
    assert code == 0, finished.reason
    live = shop.get("deployment/web")
    assert live["spec"]["strategy"] == {"type": "Recreate"}
    assert live["spec"]["template"]["spec"]["volumes"] == [{"name": "own", "emptyDir": {}}]
    probes = [_container(live)[name] for name in ("livenessProbe", "startupProbe")]
    assert ["httpGet" in probes[0], "tcpSocket" in probes[0], "httpGet" in probes[1]] == [True, False, False]
    assert shop.steps(config_map("1"), after) == ()


def test_a_quota_fails_the_plan(shop: Planner) -> None:
    shop.kubectl("create", "quota", "few", "--hard=count/secrets=0")
    value = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": {"a": "canary-4711"}}
    # The quota counts when its controller has seen it.
    wait_until("it counts", lambda: shop.kubectl("get", "quota", "few", "-o", "json"), lambda text: '"used"' in text)
    [error] = shop.refused(value)
    assert error.what == "Secret/own is refused by the API server: answered 403"
    assert error.where == "objects.json:1:48" and error.exit_code == 1
    assert "canary" not in repr(error.render())


def test_the_fields_of_what_needs_a_new_namespace_are_checked(shop: Planner) -> None:
    name = f"{shop.namespace[:50]}-new"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    inside = config_map("1")
    inside["metadata"]["namespace"] = name
    first, second = shop.steps(namespace, inside)
    assert (first.summary, first.detail) == (f"create Namespace/{name}", ())
    unchecked = f"not checked by the API server yet: quotas and policies, because Namespace/{name} is new"
    assert second.detail == (unchecked,)
    elsewhere = {"metadata": {**deployment("one")["metadata"], "namespace": name}}
    found = shop.refused(namespace, {**inside, "dta": {}}, {**deployment("one", replica=1), **elsewhere})
    assert [one.what.partition(" is refused by the API server: ")[2] for one in found] == [
        "dta: unknown field",
        "spec.replica: unknown field",
    ]
    assert all(one.where.startswith("objects.json:1:") for one in found)
    assert shop.deploy(namespace, inside)[0] == 0
    assert shop.steps(namespace, inside) == ()
    inside["metadata"]["namespace"] = "nowhere"
    [error] = shop.refused(inside)
    assert error.what == 'ConfigMap/nowhere/settings is refused by the API server: namespaces "nowhere" not found'


def test_the_namespace_of_the_target_is_one_of_its_manifests(shop: Planner) -> None:
    shop.cluster.kubectl("delete", "namespace", shop.namespace, "--wait")
    error = shop.refused(config_map("1"))[0]
    assert error.what == f"there is no namespace {shop.namespace!r}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shop.namespace}}
    first, second = shop.steps(config_map("1"), namespace)
    assert (first.summary, second.summary) == (f"create Namespace/{shop.namespace}", "create ConfigMap/settings")
    code, finished = shop.deploy(config_map("1"), namespace)
    assert code == 0, finished.reason
    assert shop.steps(config_map("1"), namespace) == ()


def test_a_kind_and_objects_of_it_in_one_deploy(shop: Planner) -> None:
    group = f"{shop.namespace[:40].strip('-')}.example.com"
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"wheels": {"type": "integer", "minimum": 1}}}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition: Object = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"cars.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Car", "plural": "cars", "singular": "car"},
            "versions": [version],
        },
    }

    def car(**spec: Any) -> Object:
        return {"apiVersion": f"{group}/v1", "kind": "Car", "metadata": {"name": "own"}, "spec": spec}

    first, second = shop.steps(car(wheels=4), definition)
    assert first.summary == f"create CustomResourceDefinition/cars.{group}"
    assert second.detail == (f"not checked by the API server yet: CustomResourceDefinition/cars.{group} is new",)
    found = shop.refused(car(wheels="4", doors=2), definition)
    assert [one.what.partition(f"fit the schema of CustomResourceDefinition/cars.{group}: ")[2] for one in found] == [
        "spec.wheels: should be of type integer",
        "spec.doors: unknown field",
    ]
    [error] = shop.refused(car(wheels=0), definition)
    assert error.what.endswith(": spec.wheels: should be at least 1")
    hook = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    own = {**hook, "metadata": {"name": f"{group}-own"}, "webhooks": []}
    assert len(shop.steps(car(wheels=0), definition, own)) == 3, "a webhook may set another number"
    code, finished = shop.deploy(car(wheels=4), definition)
    assert code == 0, finished.reason
    assert shop.steps(car(wheels=4), definition) == ()
    [step] = shop.steps(car(wheels=3), definition)
    assert step.detail == ("wheels  4 -> 3",)
    [error] = shop.refused(car(wheels=3, doors=2), definition)
    assert "spec.doors" in error.what and "unknown field" in error.what
    [error] = shop.refused({**car(), "apiVersion": "nowhere.example.com/v1"}, definition)
    assert error.what == "the cluster knows no Car in nowhere.example.com/v1"
    assert error.where.startswith("objects.json:1:")
    [error] = shop.refused({"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "x"}})
    assert error.hint == "write apiVersion: policy/v1"
    # The same definition gets a version, and stops serving the other one.
    version["served"], version["storage"] = False, False
    definition["spec"]["versions"].append({**version, "name": "v2", "served": True, "storage": True})
    [error] = shop.refused(car(wheels=4), definition)
    assert error.what == f"Car.{group}/own: CustomResourceDefinition/cars.{group} does not serve v1"
    assert error.hint == "write apiVersion with v2"
    newer = {**car(wheels=2), "apiVersion": f"{group}/v2"}
    steps = shop.steps(newer, definition)
    assert [step.detail for step in steps if isinstance(step, ApplyObject)][1:] == [
        (
            f"apiVersion  {group}/v1 -> {group}/v2",
            "wheels  4 -> 2",
            f"not checked by the API server yet: CustomResourceDefinition/cars.{group} does not serve v2 yet",
        )
    ]
    code, finished = shop.deploy(newer, definition)
    assert code == 0, finished.reason
    assert shop.steps(newer, definition) == ()
    # What only the cluster has, of a version that it does not serve.
    [error] = shop.refused(car(wheels=2))
    assert error.what == f"the cluster knows no Car in {group}/v1"
    shop.cluster.kubectl("delete", f"crd/cars.{group}", "--wait=false")


def test_a_pod_is_replaced_and_an_invalid_one_is_refused(shop: Planner) -> None:
    def pod(**container: Any) -> Object:
        whole = {"name": "lone", "image": PAUSE, "imagePullPolicy": "Never", **container}
        spec = {"containers": [whole], "terminationGracePeriodSeconds": 0}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lone"}, "spec": spec}

    assert shop.deploy(pod())[0] == 0
    [step] = shop.steps(pod(env=[{"name": "MODE", "value": "two"}]))
    assert step.summary == "replace Pod/lone"
    assert [line for line in step.detail if "MODE" in line]
    [error] = shop.refused(pod(name="W_"))
    assert error.what.startswith("Pod/lone is refused by the API server: spec.containers[0].name: Invalid value")


def test_secrets_are_compared_by_key_and_shown_by_hash(shop: Planner) -> None:
    def secret(**values: str) -> Object:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": values}

    assert shop.deploy(secret(a="canary-one", b="canary-two"))[0] == 0
    [step] = shop.steps(secret(a="canary-new", c="canary-three"))
    assert re.fullmatch(r"a \(secret\)  hash [0-9a-f]{12} -> [0-9a-f]{12}", step.detail[0])
    assert set(step.detail[1:]) == {
        "- b (secret)", "+ c (secret)", "its values until now are kept in Secret/own-previous"
    }  # fmt: skip
    run, events = shop.run(secret(a="canary-new"))
    text = json.dumps(to_json(prepare(run).observed["k8s"])) + repr(events) + json.dumps(to_json(step))
    assert "canary" not in text and "Y2FuYXJ5" not in text


def test_a_user_who_may_only_read_gets_a_plan_and_no_deploy(shop: Planner, shipit: Shipit, cluster: Cluster) -> None:
    cluster.kubectl("-n", shop.namespace, "create", "serviceaccount", "reader")
    own = ("rolebinding", "reader", "--clusterrole=view", f"--serviceaccount={shop.namespace}:reader")
    cluster.kubectl("-n", shop.namespace, "create", *own)
    token = cluster.kubectl("-n", shop.namespace, "create", "token", "reader").strip()
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"] = [{"name": "admin", "user": {"token": token}}]
    (shop.folder / "reader").write_text(json.dumps(config))
    shipit.env["KUBECONFIG"] = str(shop.folder / "reader")
    text = f"app: shop\ntargets:\n  k8s: {{namespace: {shop.namespace}, manifests: [own.yml]}}\n"
    shipit.write(own__yml=json.dumps(config_map("1")), deploy__yml=text)
    done = shipit.run("plan")
    assert done.returncode == 0, done.stderr
    may_not = f"this user may not create, patch configmaps in namespace {shop.namespace}"
    assert f"not checked by the API server yet: {may_not}" in done.stdout
    done = shipit.run("deploy")
    assert done.returncode == 1 and "may not patch configmaps" in done.stderr


def test_plan_on_the_command_line_fails_with_the_place_of_a_mistake(
    shop: Planner, shipit: Shipit, cluster: Cluster
) -> None:
    shipit.env["KUBECONFIG"] = str(cluster.kubeconfig)
    text = f"app: shop\ntargets:\n  k8s: {{namespace: {shop.namespace}, manifests: [own.yml]}}\n"
    own = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports:\n  - port: 70000\n"
    shipit.write(own__yml=own, deploy__yml=text)
    done = shipit.run("plan")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:4] == [
        "own.yml:6:5: Service/web is refused by the API server: spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
        "  6 |   - port: 70000",
        "    |     ^^^^",
    ]
    long = "".join(f"  k{number}: '{number}'\n" for number in range(20))
    shipit.write(own__yml=f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: own}}\ndata:\n{long}")
    assert shipit.run("deploy").returncode == 0
    shipit.write(
        own__yml=f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: own}}\ndata:\n{long.replace(': ', ': x')}".replace(
            "x'", "'x"
        )
    )
    short, full = shipit.run("plan").stdout, shipit.run("plan", "--full").stdout
    assert "      and 12 more lines: shipit plan --full" in short and "data.k9  " not in short
    assert full.count("      data.k") == 20 and "more line" not in full
