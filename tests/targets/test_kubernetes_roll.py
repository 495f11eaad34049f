"""Pods that are replaced for a changed ConfigMap or Secret of the same deploy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipit.targets.kubernetes.details import detail_of
from shipit.targets.kubernetes.drift import stamp
from shipit.targets.kubernetes.live import Live, Meta, Spec
from shipit.targets.kubernetes.objects import template_of
from shipit.targets.kubernetes.observed import NO_PREVIEW, KubernetesObserved
from shipit.targets.kubernetes.roll import CONTENT_ANNOTATION, USES_ANNOTATION, with_hashes
from shipit.targets.kubernetes.steps import ReplaceObject
from shipit.targets.kubernetes.uses import used_by
from shipit.targets.kubernetes.wanted import want
from tests.targets.kube_place import KubePlace, kube_place

POD = yaml.safe_load("""
containers:
  - name: web
    env:
      - {name: A, valueFrom: {configMapKeyRef: {name: env, key: a, optional: true}}}
      - {name: B, valueFrom: {secretKeyRef: {name: env-secret, key: a}}}
      - {name: C, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
      - {name: D, value: text}
    envFrom: [{configMapRef: {name: from, optional: true}}, {secretRef: {name: from-secret}}]
    volumeMounts: [{name: files, mountPath: /etc/a, subPath: a}]
initContainers:
  - {name: first, envFrom: [{configMapRef: {name: init}}]}
volumes:
  - {name: files, configMap: {name: files}}
  - {name: keys, secret: {secretName: keys, optional: true}}
  - name: both
    projected: {sources: [{configMap: {name: part}}, {secret: {name: part-secret}}, {serviceAccountToken: {path: t}}]}
  - {name: scratch, emptyDir: {}}
imagePullSecrets: [{name: pull}]
""")


def test_every_way_to_use_a_config_map_or_secret_is_found_and_a_pull_secret_is_not() -> None:
    maps = ("env", "from", "init", "files", "part")
    secrets = ("env-secret", "from-secret", "keys", "part-secret")
    assert used_by(POD) == {*(f"ConfigMap/{name}" for name in maps), *(f"Secret/{name}" for name in secrets)}


@pytest.mark.parametrize("pod", [{}, {"containers": "x", "volumes": [1, {"configMap": 1}, {"configMap": {"name": 2}}]}])
def test_the_spec_of_a_pod_may_have_any_shape(pod: dict[str, Any]) -> None:
    assert used_by(pod) == frozenset()


@pytest.mark.parametrize("template", ["x", ["x"], {"spec": "x"}, {"spec": ["x"]}, {"metadata": ["x"], "spec": POD}])
def test_a_pod_template_of_another_type_stays_as_it_is_for_the_server_to_refuse(template: Any) -> None:
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "from"}, "data": {"a": "1"}}
    wrong = {**workload("Deployment"), "spec": {"template": template}}
    assert hashed([source, wrong])[1] == wrong


def config_map(value: str, **annotations: str) -> dict[str, Any]:
    metadata = {"name": "settings", "annotations": annotations} if annotations else {"name": "settings"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": value}}


def workload(kind: str, version: str = "apps/v1", **metadata: Any) -> dict[str, Any]:
    pod = {"containers": [{"name": "web", "image": "x", "envFrom": [{"configMapRef": {"name": "settings"}}]}]}
    head = {"apiVersion": version, "kind": kind, "metadata": {"name": "web", **metadata}}
    if kind == "Pod":
        return {**head, "spec": pod}
    template: dict[str, Any] = {"spec": {"template": {"spec": pod}}}
    return {**head, "spec": {"jobTemplate": template}} if kind == "CronJob" else {**head, **template}


def as_live(manifest: dict[str, Any]) -> Live:
    metadata = manifest["metadata"]
    return Live(manifest["kind"], Meta(metadata["name"], annotations=metadata.get("annotations") or {}), manifest)


def uses_of(manifest: dict[str, Any]) -> str:
    """The annotation of a pod template; empty without."""
    return str((template_of(manifest).get("metadata") or {}).get("annotations", {}).get(USES_ANNOTATION, ""))


def hashed(wanted: list[dict[str, Any]], *live: dict[str, Any]) -> list[dict[str, Any]]:
    objects = {f"{item['kind']}/{item['metadata']['name']}": as_live(item) for item in live}
    return with_hashes(wanted, KubernetesObserved(objects), "prod")


@pytest.mark.parametrize(
    ("kind", "version", "is_marked"),
    [
        ("Deployment", "apps/v1", True),
        ("StatefulSet", "apps/v1", True),
        ("DaemonSet", "apps/v1", True),
        ("Pod", "v1", True),
        # They can't be changed, replace no pods, or start the next pod with what is there then.
        ("Job", "batch/v1", False),
        ("CronJob", "batch/v1", False),
        ("ReplicaSet", "apps/v1", False),
        ("Rollout", "argoproj.io/v1alpha1", False),
    ],
)
def test_the_kinds_that_replace_their_pods_get_the_hash(kind: str, version: str, *, is_marked: bool) -> None:
    source, made = hashed([config_map("1"), workload(kind, version)])
    mark = source["metadata"].get("annotations", {}).get(CONTENT_ANNOTATION, "")
    assert bool(mark) == is_marked
    assert uses_of(made) == (f"ConfigMap/settings={mark}" if is_marked else "")
    assert is_marked or made == workload(kind, version)


def test_other_data_gives_another_hash_and_other_labels_do_not() -> None:
    first, other = (hashed([config_map(value), workload("Deployment")])[1] for value in ("1", "2"))
    labelled = config_map("1")
    labelled["metadata"]["labels"] = {"team": "shop"}
    assert uses_of(first) != uses_of(other)
    assert uses_of(hashed([labelled, workload("Deployment")])[1]) == uses_of(first)


def test_a_config_map_of_another_namespace_and_one_that_is_not_deployed_are_not_used() -> None:
    elsewhere = config_map("1")
    elsewhere["metadata"]["namespace"] = "other"
    assert uses_of(hashed([elsewhere, workload("Deployment")])[1]) == ""
    assert uses_of(hashed([workload("Deployment")])[0]) == ""
    assert uses_of(hashed([elsewhere, workload("Deployment", namespace="other")])[1]) != ""


def test_objects_without_hashes_get_them_when_the_data_changes() -> None:
    """As an older shipit applied them: no pod is replaced for the annotation alone."""
    old = [config_map("1"), workload("Deployment")]
    assert hashed(old, *old) == old
    source, made = hashed([config_map("2"), workload("Deployment")], *old)
    assert source["metadata"]["annotations"] and uses_of(made)
    # The ConfigMap was written, and the deploy was killed before the Deployment was.
    assert hashed([config_map("2"), workload("Deployment")], source, workload("Deployment")) == [source, made]
    # And unchanged after it was done.
    assert hashed([config_map("2"), workload("Deployment")], source, made) == [source, made]


@pytest.mark.parametrize("place", ["source", "workload"])
def test_an_annotation_opts_out_and_replaces_no_pod_by_itself(place: str) -> None:
    before = hashed([config_map("1"), workload("Deployment")])
    off = {"shipit.dev/roll": "false"}
    source = config_map("2", **(off if place == "source" else {}))
    wanted = workload("Deployment")
    if place == "workload":
        wanted["metadata"]["annotations"] = off
    assert uses_of(hashed([source, wanted])[1]) == ""
    assert uses_of(hashed([source, wanted], *before)[1]) == uses_of(before[1])


OWN = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: VALUE}
---
apiVersion: v1
kind: Secret
metadata: {name: own}
stringData: {password: PASSWORD}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers: [{name: api, image: shop, envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: own}}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: lone}
spec: {containers: [{name: lone, image: shop, envFrom: [{secretRef: {name: own}}]}]}
"""


def own(value: str, password: str) -> str:
    return OWN.replace("VALUE", f"'{value}'").replace("PASSWORD", password)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubePlace]:
    with kube_place(tmp_path, own("1", "canary-first")) as found:
        yield found


@pytest.mark.slow
def test_a_changed_config_map_rolls_its_pods_and_the_plan_says_why(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    assert place.deploy()[1].state == "unchanged"
    place.own = own("2", "canary-first")
    steps = {step.id: step for step in place.steps()[2]}
    assert list(steps) == ["apply ConfigMap/settings", "apply Deployment/api"]
    assert steps["apply Deployment/api"].detail == ("rolls: ConfigMap settings changed",)
    before = place.api.objects["deployments", "api"]["spec"]["template"]
    assert place.deploy()[0] == 0
    assert place.api.objects["deployments", "api"]["spec"]["template"] != before
    assert place.deploy()[1].state == "unchanged"


@pytest.mark.slow
def test_a_changed_secret_rolls_its_pods_replaces_a_bare_pod_and_shows_nowhere(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    place.own = own("1", "canary-second")
    steps = {step.id: step for step in place.steps()[2]}
    assert list(steps) == ["apply Secret/own", "apply Deployment/api", "apply Pod/lone"]
    assert isinstance(steps["apply Pod/lone"], ReplaceObject)
    for name in ("Deployment/api", "Pod/lone"):
        assert steps[f"apply {name}"].detail == ("rolls: Secret own changed",)
    assert place.deploy()[0] == 0
    assert "canary" not in json.dumps(place.api.objects["deployments", "api"])
    assert place.deploy()[1].state == "unchanged"


def test_pods_that_newly_use_an_unchanged_config_map_do_not_roll_for_it(place: KubePlace) -> None:
    more, one = "{configMapRef: {name: settings}}", "{secretRef: {name: own}}"
    place.own = plain = (
        own("1", "canary-first").replace(f"[{one}]", f"[{one}, {more}]").replace(f"[{more}, {one}]", f"[{one}]")
    )
    assert place.deploy()[0] == 0
    place.own = plain.replace(f"[{one}]", f"[{one}, {more}]")
    (step,) = place.steps()[2]
    assert step.detail == ('+ containers[api].envFrom[1]  {"configMapRef": {"name": "settings"}}',)


@pytest.mark.parametrize(
    ("kind", "on_delete", "said"),
    [
        ("Deployment", False, "rolls: ConfigMap settings, Secret own changed"),
        ("DaemonSet", False, "rolls: ConfigMap settings, Secret own changed"),
        ("DaemonSet", True, "for new pods: ConfigMap settings, Secret own changed"),
        ("CronJob", False, "for new pods: Secret own changed"),
    ],
)
def test_pods_that_stay_are_not_said_to_roll(kind: str, said: str, *, on_delete: bool) -> None:
    """The next pods get what changed: data with a hash, and another version of a Secret."""

    def using(secret: str) -> dict[str, Any]:
        whole = json.dumps(workload(kind))
        return dict(json.loads(whole.replace('"envFrom": [', f'"envFrom": [{{"secretRef": {{"name": "{secret}"}}}}, ')))

    before = hashed([config_map("1"), using("own-0123456789abcdef")])
    after = hashed([config_map("2"), using("own-fedcba9876543210")], *before)
    live = as_live(stamp(before[1]))._replace(spec=Spec(on_delete=on_delete))
    wanted = want(f"{kind}/web", after[1], live)
    assert detail_of(wanted, live, NO_PREVIEW) == (said,)


def test_two_machines_have_the_same_hash_of_a_secret(place: KubePlace, tmp_path: Path) -> None:
    assert place.deploy()[0] == 0
    other = KubePlace(tmp_path / "other", place.api, place.registry, place.own)
    assert other.deploy()[1].state == "unchanged"


@pytest.mark.slow
def test_objects_that_were_applied_without_hashes_roll_only_for_a_change(place: KubePlace) -> None:
    """As those of an older shipit, and as those that opted out before."""
    plain = place.own
    place.own = plain.replace("metadata: {name: settings}", OFF % "settings").replace(
        "metadata: {name: own}", OFF % "own"
    )
    assert place.deploy()[0] == 0
    template = place.api.objects["deployments", "api"]["spec"]["template"]
    place.own = plain
    assert [step.id for step in place.steps()[2]] == ["apply ConfigMap/settings", "apply Secret/own"]
    assert place.deploy()[0] == 0
    assert place.api.objects["deployments", "api"]["spec"]["template"] == template
    assert place.deploy()[1].state == "unchanged"
    place.own = own("1", "canary-second")
    steps = {step.id: step.detail for step in place.steps()[2]}
    assert list(steps) == ["apply Secret/own", "apply Deployment/api", "apply Pod/lone"]
    assert steps["apply Deployment/api"] == ("rolls: Secret own changed",)


OFF = "metadata: {name: %s, annotations: {shipit.dev/roll: 'false'}}"
