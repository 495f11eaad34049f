"""Manifests in every form that kubectl reads, a kustomization, a chart and two APIs of one kind, on the real cluster."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.events import Event
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from tests import runs
from tests.conftest import started
from tests.servers.cluster import PAUSE, Cluster
from tests.servers.install import helm_folder

pytestmark = pytest.mark.cluster

# Numbers, booleans and separators as only YAML 1.1 has them; a dump of kubectl; a list of one kind; a merged container.
FORMS = """\
---
# nothing here
--- # the next
apiVersion: v1
kind: ServiceList
items:
- metadata: {name: one}
  spec: {ports: [{port: 0o120, targetPort: 0x50}], selector: {app: web}, publishNotReadyAddresses: y}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  creationTimestamp: null
  resourceVersion: "1"
spec:
  replicas: 1e0
  selector: {matchLabels: &labels {app: web}}
  template:
    metadata: {labels: *labels}
    spec:
      enableServiceLinks: off
      terminationGracePeriodSeconds: 0
      containers:
      - &one {name: one, image: IMAGE, imagePullPolicy: Never, volumeMounts: [{name: own, mountPath: /own}]}
      - {<<: *one, name: two}
      volumes: [{name: own, configMap: {name: own, defaultMode: 0644}}]
status: {replicas: 3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: own, labels: {22: "x"}}
data:
  12: "a"
  date: !!str 2026-01-01
  binary: !!binary aGk=
  emoji: "\\U0001F680 \\u2028\\x85\\x7f\\uFEFF \\\\ud83d"
  text: |
    no newline at the end of the file"""
JSON = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}'
CHART = {
    "chart/Chart.yaml": "{apiVersion: v2, name: shop, version: 1.0.0}",
    "chart/values.yaml": "{greeting: hello, replicas: 0, sub: {used: false}}",
    "chart/templates/_names.tpl": '{{- define "shop.name" -}}{{ .Release.Name }}-chart{{- end }}',
    "chart/templates/settings.yaml": (
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ include "shop.name" . }}}\n'
        "data: {greeting: {{ .Values.greeting | quote }}, count: {{ .Values.count | quote }}, place: {{ .Release.Namespace }}}\n"
    ),
    "chart/templates/migrate.yaml": (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {helm.sh/hook: pre-install}}\n"
        "spec: {template: {spec: {restartPolicy: Never, containers: [{name: one, image: IMAGE}]}}}\n"
    ),
    "chart/charts/sub/Chart.yaml": "{apiVersion: v2, name: sub, version: 1.0.0}",
    "chart/charts/sub/templates/on.yaml": "{{ if .Values.used }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-sub}\n{{ end }}\n",
    "prod.yaml": "{greeting: hi, sub: {used: true}}",
}
DEPLOY_YML = """\
app: shop
targets:
  k8s:
    {namespace: NAMESPACE, settle: 0s, timeout: 240s, manifests: [k8s/*.y*ml, k8s/two.json], kustomize: prod,
     helm: {chart: chart, values: [prod.yaml], set: {count: 0x11}, hooks: false}}
"""


def test_every_form_is_applied_as_kubectl_reads_it_and_then_unchanged(tmp_path: Path, cluster: Cluster) -> None:
    namespace = re.sub(r"[^a-z0-9]+", "-", "every form of a manifest")
    cluster.kubectl("create", "namespace", namespace)
    for name, text in {
        "k8s/forms.yaml": FORMS.replace("IMAGE", PAUSE),
        "k8s/two.json": JSON,
        "prod/kustomization.yaml": "namePrefix: prod-\nconfigMapGenerator:\n- name: settings\n  literals: [a=1]\n",
        **CHART,
    }.items():
        (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / name).write_text(text)
    programs = f"{started(helm_folder)}:/usr/bin:/bin"
    environment = runs.environment(tmp_path / "shop", KUBECONFIG=str(cluster.kubeconfig), PATH=programs)
    events: list[Event] = []

    def run() -> Run:
        project = runs.project(tmp_path / "shop", DEPLOY_YML.replace("NAMESPACE", namespace), environment)
        return runs.run(project, environment, events, clock=Clock())

    assert deploy(run()) == 0
    found = json.loads(cluster.kubectl("-n", namespace, "get", "deployment,service,configmap", "-o", "json"))["items"]
    live = {f"{item['kind']}/{item['metadata']['name']}": item for item in found}
    assert {"ConfigMap/b", "ConfigMap/c"} < set(live) and any(
        key.startswith("ConfigMap/prod-settings-") for key in live
    )
    pod, service = live["Deployment/web"]["spec"]["template"]["spec"], live["Service/one"]["spec"]
    assert (service["ports"][0]["port"], service["ports"][0]["targetPort"], service["publishNotReadyAddresses"]) == (
        80,
        80,
        True,
    )
    assert live["Deployment/web"]["spec"]["replicas"] == 1 and pod["enableServiceLinks"] is False
    assert [container["image"] for container in pod["containers"]] == [PAUSE, PAUSE]
    assert pod["volumes"][0]["configMap"]["defaultMode"] == 420
    own = live["ConfigMap/own"]
    assert own["metadata"]["labels"]["22"] == "x"
    assert own["data"] == {
        "12": "a",
        "date": "2026-01-01",
        "binary": "hi",
        "text": "no newline at the end of the file\n",
        "emoji": "\U0001f680 \u2028\x85\x7f\ufeff \\ud83d",
    }
    chart = live["ConfigMap/shop-chart"]["data"]
    assert (chart, "ConfigMap/of-sub" in live) == ({"greeting": "hi", "count": "17", "place": namespace}, True)
    assert cluster.kubectl("-n", namespace, "get", "jobs", "-o", "name") == "", "hooks: false leaves hooks out"
    assert prepare(run()).plan.targets[0].steps == ()
