"""Inputs on which other tools stumbled, by the reports of their users, read as kubectl reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipit.targets.kubernetes.manifest_objects import parse_manifests
from tests.servers.kube_yaml import KubeYaml

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
ANY = "apiVersion: x.example/v1\nkind: Thing\nmetadata: {name: a}\n"


def thing(spec: Any, name: str = "a") -> dict[str, Any]:
    return {"apiVersion": "x.example/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


# Report -> text, and its objects.
READ: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "kubernetes-sigs/kustomize#3675: an alias as a name and in a selector": (
        "apiVersion: x.example/v1\nkind: Thing\nmetadata: {name: &app a}\nspec:\n  selector: {app: *app}\n", [thing({"selector": {"app": "a"}})]),
    "kubernetes-sigs/kustomize#4144: a container merged from another of the list": (
        ANY + "spec:\n- &foo\n  name: foo\n  ports: [containerPort: 80]\n- <<: *foo\n  name: bar\n",
        [thing([{"name": "foo", "ports": [{"containerPort": 80}]}, {"name": "bar", "ports": [{"containerPort": 80}]}])]),
    "kubernetes-sigs/kustomize#4212: the tag !!merge before <<": (ANY + "spec:\n  a: &x {b: 1}\n  c:\n    !!merge <<: *x\n", [thing({"a": {"b": 1}, "c": {"b": 1}})]),
    "kubernetes-sigs/kustomize#4251: a merge that is an anchor itself": (
        ANY + "spec:\n  <<: &x\n    key: value\n  template:\n    <<: *x\n", [thing({"key": "value", "template": {"key": "value"}})]),
    "kubernetes-sigs/kustomize#3779: an empty map was left of an anchor": (ANY + "spec:\n  a: &x {b: c}\n  d:\n    <<: *x\n", [thing({"a": {"b": "c"}, "d": {"b": "c"}})]),
    "kubernetes-sigs/kustomize#3446: whole numbers as keys": (
        HEAD + 'data:\n  22: "x"\n', [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"22": "x"}}]),
    "kubernetes-sigs/kustomize#3876: a comment behind the separator": (
        ANY + "spec: 1\n--- # the next\n" + ANY + "spec: 2\n", [thing(1), thing(2)]),
    "kubernetes/kubernetes#33588: spaces behind the separator": (ANY + "spec: 1\n\n---    \n\n" + ANY + "spec: 2\n", [thing(1), thing(2)]),
    "kubernetes/kubernetes#34886: documents were left out": ("---\n" * 3 + ANY + "spec: 1\n---\n---\n" + ANY + "spec: 2\n---\n", [thing(1), thing(2)]),
    "kubernetes/kubernetes#135998: a directive before the document": ("%YAML 1.1\n---\n" + ANY + "spec: 1\n", [thing(1)]),
    "controlplaneio/kubesec#120: empty documents with an empty line": ("---\n---\n\n---\n" + ANY + "spec: 1\n", [thing(1)]),
    "helm-unittest/helm-unittest#59: a separator in text": (
        ANY + "spec: |\n  ---\n  kind: Mapping\n  ---\n", [thing("---\nkind: Mapping\n---\n")]),
    "Shopify/krane#740: text that looks like a number with an exponent": (ANY + 'spec: ["1e3", "0x10", "010", "1_0"]\n', [thing(["1e3", "0x10", "010", "1_0"])]),
    "Shopify/krane#736: digits with a comma": (ANY + "spec: {ids: 1,1 }\n", [thing({"ids": 1, "1": None})]),
    "Shopify/krane#736: digits with a comma in a block": (ANY + "spec:\n  ids: 1,1\n", [thing({"ids": "1,1"})]),
    "OctopusDeploy/Issues#9569: a file mode": (ANY + "spec: {defaultMode: 0644}\n", [thing({"defaultMode": 420})]),
    "cdk8s-team/cdk8s#348: a file mode by YAML 1.2": (ANY + "spec: [0666, 0o666]\n", [thing([438, 438])]),
    "helm/helm#12195: whole numbers that a template printed as 1e+06": (ANY + "spec: [1e+06, 2.0161216e+07]\n", [thing([1000000, 20161216])]),
    "OctopusDeploy/helm-charts#585: one letter for yes": (ANY + "spec: [Y, n]\n", [thing([True, False])]),
    "uhthomas/automata#3: off": (ANY + 'spec: [off, "off"]\n', [thing([False, "off"])]),
    "KanishJebaMathewM/Truxify#7678: a byte order mark in the second file of two": (
        "\ufeff" + ANY + "spec: 1\n---\n\ufeff" + ANY + "spec: 2\n", [thing(1), thing(2)]),
    "komodorio/helm-dashboard#328: a List of JSON": (
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [thing(1), thing(2, "b")]}), [thing(1), thing(2, "b")]),
}  # fmt: skip

# Report -> text, and the error.
REFUSED = {
    "fluxcd/kustomize-controller#243: a key twice": (
        ANY + "spec:\n  env: [{name: A}]\n  image: x\n  env: [{name: B}]\n", "7:3: the key 'env' is defined twice, first on line 5"),
    "vtmocanu/uzi#149: a separator glued to a value merges two objects": (
        ANY + "spec: x---\n" + ANY + "spec: 2\n", "5:1: the key 'apiVersion' is defined twice, first on line 1"),
    "argoproj/argo-helm#745: tabs as indentation": (ANY + "spec:\n\ta: b\n", "5:1: should be YAML: a value can't begin like this"),
    "renovatebot/renovate#16615: a template instead of YAML": ("{{if ne .Values.a .b }}\n" + ANY, "1:2: a key should be text"),
    "aws-quickstart/quickstart-amazon-eks#304: a boolean as an annotation": (
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations:\n    internal: true\n", "6:5: metadata.annotations: the value of internal should be text, and is a boolean"),
    "helm/helm#13254: a number as a label": (
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels: {ticket: 3.56136738e+08}\n", "5:12: metadata.labels: the value of ticket should be text, and is a number"),
    "helm/helm#12195: numbers in a ConfigMap": (HEAD + "data:\n  ONE: 999999\n", "5:3: data: the value of ONE should be text, and is a number"),
}  # fmt: skip


@pytest.mark.parametrize("report", READ)
def test_an_input_that_stopped_another_tool_is_read(report: str) -> None:
    text, objects = READ[report]
    found, problems = parse_manifests(text.encode(), "m.yml")
    assert not problems, problems
    assert [written.manifest for written in found] == objects


@pytest.mark.parametrize("report", REFUSED)
def test_an_input_that_another_tool_misread_is_an_error_at_its_line(report: str) -> None:
    text, error = REFUSED[report]
    found, problems = parse_manifests(text.encode(), "m.yml")
    assert not found
    assert [f"{problem.where.removeprefix('m.yml:')}: {problem.what}" for problem in problems] == [error]
    assert not text.startswith("{{") or problems[0].hint == "a template of a chart? name the chart under helm:"


def test_kubectl_reads_the_same_in_these_inputs(kube_yaml: KubeYaml) -> None:
    for report, (text, objects) in READ.items():
        # kubectl 1.34 does not read a directive.
        if "%YAML" not in text:
            documents, _ = kube_yaml.read(text)
            found = [item for document in documents for item in document.get("items", [document])]
            assert found == objects, report
