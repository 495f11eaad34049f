"""Objects of manifests: lists flattened, heads checked, server fields left out, the same object twice refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shipit.config.folder import ProjectFolder
from shipit.config.position import Position
from shipit.errors import ConfigErrors
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.field_position import field_position
from shipit.targets.kubernetes.manifests import (
    doubled_problems,
    owned_warnings,
    read_manifests,
    read_written,
    server_field_warnings,
)
from shipit.targets.kubernetes.observed import key_of

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


def folder_of(path: Path, **files: str) -> ProjectFolder:
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return ProjectFolder(path, path)


def errors_of(path: Path, text: str, name: str = "m.yml") -> list[str]:
    """`line:column: what` of each problem."""
    (path / name).write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        read_written(ProjectFolder(path, path), (name,))
    return [f"{error.position[0]}:{error.position[1]}: {error.what}" for error in caught.value.problems]


def heads(manifests: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(item["apiVersion"], item["kind"], item["metadata"]["name"]) for item in manifests]


def test_lists_are_flattened_with_the_position_of_each_item(tmp_path: Path) -> None:
    text = (
        "kind: List\napiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: a}\n"
        "- kind: List\n  apiVersion: v1\n  items:\n  - {apiVersion: v1, kind: Pod, metadata: {name: b}}\n"
        "---\nkind: ConfigMapList\napiVersion: v1\nitems:\n- metadata: {name: c}\n---\nkind: List\napiVersion: v1\nitems: []\n"
    )
    found = read_written(folder_of(tmp_path, m__yml=text), ("m.yml",))
    assert heads([item.manifest for item in found]) == [
        ("v1", "Secret", "a"),
        ("v1", "Pod", "b"),
        ("v1", "ConfigMap", "c"),
    ]
    assert [item.at for item in found] == [
        Position(4, 3, 1, "m.yml"),
        Position(7, 3, 1, "m.yml"),
        Position(15, 3, 1, "m.yml"),
    ]


def test_a_custom_resource_with_items_is_no_list(tmp_path: Path) -> None:
    text = "apiVersion: x.example/v1\nkind: Basket\nmetadata: {name: a}\nitems: [{name: b}]\n"
    [found] = read_manifests(folder_of(tmp_path, m__yml=text), ("m.yml",))
    assert found["items"] == [{"name": "b"}]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\n", "1:1: lacks apiVersion, kind, metadata.name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n", "3:12: has generateName, so that each deploy would create another object"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 123}\n", "3:12: metadata.name should be text"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: ''}\n", "1:1: lacks metadata.name"),
        ("# c\n---\n- a\n", "3:1: should be a Kubernetes object"),
        (MAP % "a" + "data: {on: yes}\n", "4:1: data: the value of true should be text, and is a boolean"),
        (MAP % "a" + "data: {port: 80}\n", "4:8: data: the value of port should be text, and is a number"),
        (MAP % "a" + "data: [a]\n", "4:1: data should be a map of keys"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {version: 1.10}}\n", "3:30: metadata.labels: the value of version should be text, and is a number"),
        (MAP % "a" + "data:\n  a: 'x'\n  b: 'y'\n  a: 'z'\n", "7:3: the key 'a' is defined twice, first on line 5"),
        (MAP % "a" + "--- {kind: x}\n", "4:5: kubectl takes only spaces and comments behind ---"),
        (MAP % "a" + "data: {a: .inf}\n", "4:11: JSON has no such number"),
        ("kind: List\nitems: [1]\n", "2:9: should be a Kubernetes object"),
    ],
)  # fmt: skip
def test_a_mistake_is_an_error_at_its_place(tmp_path: Path, text: str, error: str) -> None:
    assert errors_of(tmp_path, text) == [error]


def test_utf_16_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "m.yml").write_bytes((MAP % "a").encode("utf-16"))
    with pytest.raises(ConfigErrors) as caught:
        read_written(ProjectFolder(tmp_path, tmp_path), ("m.yml",))
    assert caught.value.problems[0].hint == "it looks like UTF-16: save it as UTF-8"


DUMPED = """\
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: web
    uid: 2b3a
    resourceVersion: "12"
    generation: 3
    creationTimestamp: "2026-01-01T00:00:00Z"
    annotations: {deployment.kubernetes.io/revision: "4", shipit.dev/run: r1, team: a}
    managedFields: [{manager: x}]
  spec: {replicas: 2}
  status: {replicas: 2}
- apiVersion: v1
  kind: Service
  metadata: {name: web, selfLink: /x}
  spec: {ports: [{port: 80}]}
  status: {loadBalancer: {}}
"""


def test_what_a_server_writes_is_left_out_with_one_warning_a_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, m__yml=DUMPED, n__yml=MAP % "other")
    deployment, service, _ = read_manifests(folder, ("m.yml", "n.yml"))
    assert deployment["metadata"] == {"name": "web", "annotations": {"team": "a"}} and "status" not in deployment
    assert service == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"ports": [{"port": 80}]},
    }
    [warning] = server_field_warnings(folder, ("m.yml", "n.yml"))
    assert warning.where == "m.yml:8:5"
    assert warning.what.startswith(
        "metadata.uid, metadata.resourceVersion, metadata.generation, metadata.creationTimestamp, metadata.managedFields, "
    )
    assert warning.what.endswith("status, metadata.selfLink of 2 objects: left out, since a server writes them")


def test_what_a_controller_makes_is_a_warning(tmp_path: Path) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: NAME\n  ownerReferences: [{kind: ReplicaSet, name: web, uid: x}]\n"
    both = f"{pod.replace('NAME', 'a')}---\n{pod.replace('NAME', 'b')}"
    [warning] = owned_warnings(folder_of(tmp_path, m__yml=both, n__yml=MAP % "other"), ("m.yml", "n.yml"))
    assert (warning.where, warning.what) == (
        "m.yml:5:3",
        "Pod/a and 1 more have ownerReferences: a controller makes and deletes such objects",
    )


@pytest.mark.parametrize(
    "more", ["status: {}\n", "status:\n  conditions: []\n  acceptedNames: {kind: '', plural: ''}\n", "status: null\n"]
)
def test_empty_fields_that_generators_write_are_left_out_without_a_warning(tmp_path: Path, more: str) -> None:
    text = f"apiVersion: v1\nkind: Pod\nmetadata:\n  creationTimestamp: null\n  name: a\n{more}"
    folder = folder_of(tmp_path, m__yml=text)
    assert read_manifests(folder, ("m.yml",)) == [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}]
    assert server_field_warnings(folder, ("m.yml",)) == []


@pytest.mark.parametrize(
    ("version", "kind", "namespace", "key"),
    [
        ("v1", "Service", None, "Service/web"),
        ("serving.knative.dev/v1", "Service", None, "Service.serving.knative.dev/web"),
        ("networking.k8s.io/v1", "Ingress", "prod", "Ingress/web"),
        ("networking.istio.io/v1", "Gateway", None, "Gateway.networking.istio.io/web"),
        ("networking.istio.io/v1beta1", "Gateway", None, "Gateway.networking.istio.io/web"),
        ("gateway.networking.k8s.io/v1", "Gateway", None, "Gateway/web"),
        ("cluster.x-k8s.io/v1beta1", "Cluster", "other", "Cluster.cluster.x-k8s.io/other/web"),
    ],
)
def test_an_object_is_known_by_group_kind_namespace_and_name(
    version: str, kind: str, namespace: str | None, key: str
) -> None:
    metadata = {"name": "web", **({"namespace": namespace} if namespace else {})}
    assert key_of({"apiVersion": version, "kind": kind, "metadata": metadata}, "prod") == key


def test_the_same_object_twice_is_an_error_that_names_both_places(tmp_path: Path) -> None:
    gateway = "apiVersion: %s\nkind: Gateway\nmetadata: {name: a}\n"
    folder = folder_of(
        tmp_path,
        a__yml=f"{MAP % 'a'}---\n{gateway % 'networking.istio.io/v1'}---\n{gateway % 'gateway.networking.k8s.io/v1'}",
        b__yml=f"# c\n---\n{MAP % 'b'}---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  namespace: prod\n  name: a\n",
    )
    [error] = doubled_problems(folder, read_written(folder, ("a.yml", "b.yml")), "prod")
    assert f"{error.where}: {error.what}" == "b.yml:11:3: ConfigMap/a is defined twice, first at a.yml:1:1"
    assert doubled_problems(folder, read_written(folder, ("a.yml", "b.yml")), "other") == []


def test_the_same_object_twice_is_found_without_a_cluster(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a__yml=MAP % "a", b__yml=MAP % "a")

    def problems(**keys: Any) -> list[str]:
        config = KubernetesConfig.model_validate({"manifests": ["a.yml", "b.yml"], **keys})
        return [error.what for error in config.problems_in(folder, {}, lambda *_: pytest.fail())]

    assert problems() == ["ConfigMap/a is defined twice, first at a.yml:1:1"]
    (tmp_path / "b.yml").write_text(MAP % "a, namespace: prod")
    assert problems(namespace="prod") == ["ConfigMap/a is defined twice, first at a.yml:1:1"]
    # The namespace of the context decides whether these are two.
    assert problems() == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("kustomization.yaml", "a kustomization? name its folder under kustomize:, and leave it out of manifests:"),
        ("Chart.yaml", "a chart? name its folder under helm:, and leave it out of manifests:"),
        ("other.yaml", "every object needs apiVersion, kind and metadata.name"),
    ],
)
def test_what_another_tool_renders_is_told_from_a_manifest(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / name).write_text("resources: [a.yml]\n")
    with pytest.raises(ConfigErrors) as caught:
        read_written(ProjectFolder(tmp_path, tmp_path), (name,))
    assert [error.hint for error in caught.value.problems] == [hint]


NESTED = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - &base
    name: web
    image: x
  - <<: *base
    name: side
"""


@pytest.mark.parametrize(
    ("field", "line", "column"),
    [("spec.containers[0].image", 8, 5), ('spec.containers[name="side"]', 9, 5), ("spec.containers[1].image", 8, 5), ("spec.nothing.here", 4, 1)],
)  # fmt: skip
def test_a_field_has_a_position_through_anchors_and_merges(field: str, line: int, column: int) -> None:
    assert field_position(NESTED, Position(1, 1, 1, "m.yml"), field)[:2] == (line, column)


def test_a_field_of_json_has_a_position() -> None:
    objects = [
        {"kind": "A", "metadata": {"name": "a"}},
        {"kind": "B", "spec": {"rows": [{"name": "x"}, {"name": "y\u2028", "n": 1}]}},
    ]
    text = "\n".join(json.dumps(item, indent=1) for item in objects)
    at = Position(7, 1, 1, "m.json")
    assert text.split("\n")[6] == "{"
    assert field_position(text, at, "spec.rows[1].n") == Position(16, 5, 3, "m.json")
    assert text.split("\n")[15].strip().startswith('"n"')
