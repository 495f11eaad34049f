"""Rendering, comparing, planning and judging Kubernetes objects: values in, values out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from shipit.http.fields import Field
from shipit.record import from_json, to_json
from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.applied import applied, plan_back
from shipit.targets.kubernetes.concise.render.work import Work
from shipit.targets.kubernetes.concise.render.workload import render_workload
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.conflicts import find_conflicts
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.drift import find_differences, hashes, object_differences, stamp
from shipit.targets.kubernetes.images import image_for, image_names, pin_images
from shipit.targets.kubernetes.judge import judge_kubernetes
from shipit.targets.kubernetes.live import Live, Pod
from shipit.targets.kubernetes.observed import KubernetesObserved, Serving
from shipit.targets.kubernetes.parse import parse_image_id, parse_live, parse_meta, parse_pod
from shipit.targets.kubernetes.patience import patience_s
from shipit.targets.kubernetes.plan import plan_objects, plan_release_job
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.render import Setting, render_job
from shipit.targets.kubernetes.sealed import opened, sealed, sealed_live, secret_values, value_marks
from shipit.targets.kubernetes.slow_marks import secret_mark
from shipit.targets.kubernetes.steps import ApplyObject, ApplySecret, DeleteObject, ReplaceObject, RunReleaseJob
from shipit.targets.kubernetes.superseded import Released, find_change
from shipit.targets.kubernetes.tail import Tail
from shipit.targets.kubernetes.wanted import autoscaled
from shipit.targets.kubernetes.waves import ordered
from tests import runs

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
IMAGE = "ghcr.io/a/b@sha256:" + "1" * 64
SETTING = Setting("shop", "prod", env={"MODE": "x"}, secret_names=("TOKEN",), secret_mark="m1", secret_name="shop-env")


def answered(value: dict[str, Any], **metadata: Any) -> Live:
    """An object as the API server would answer it."""
    return parse_live(Field({**value, "metadata": {**value["metadata"], **metadata}}, "GET test"))


def test_a_workload_in_full() -> None:
    config = WorkloadConfig.model_validate(
        {
            "port": 3000,
            "health": "/up",
            "host": "shop.example.com",
            "cpu": "250m",
            "memory": "256Mi",
            "scale": {"max": 5},
        }
    )
    objects = render_workload(Work("web", config, IMAGE, "sha256:c", SETTING))
    assert [item["kind"] for item in objects] == ["Service", "Deployment", "Ingress", "HorizontalPodAutoscaler"]
    deployment = yaml.safe_load(
        """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: prod
  labels: {app.kubernetes.io/name: web, app.kubernetes.io/part-of: shop, app.kubernetes.io/managed-by: shipit}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: web, app.kubernetes.io/part-of: shop}}
  replicas: 1
  template:
    metadata:
      labels: {app.kubernetes.io/name: web, app.kubernetes.io/part-of: shop, app.kubernetes.io/managed-by: shipit}
      annotations: {shipit.dev/config-digest: 'sha256:c', shipit.dev/secrets: m1}
    spec:
      containers:
        - name: web
          image: IMAGE
          env:
            - {name: PORT, value: '3000'}
            - {name: MODE, value: x}
            - {name: TOKEN, valueFrom: {secretKeyRef: {name: shop-env, key: TOKEN}}}
          ports: [{containerPort: 3000, name: http, protocol: TCP}]
          readinessProbe: {httpGet: {path: /up, port: 3000}, periodSeconds: 2, failureThreshold: 3}
          resources: {requests: {cpu: 250m, memory: 256Mi}, limits: {memory: 256Mi}}
          securityContext: {allowPrivilegeEscalation: false}
      securityContext: {seccompProfile: {type: RuntimeDefault}}
""".replace("IMAGE", IMAGE)
    )
    assert objects[1] == deployment


def test_keys_right_under_the_target_are_one_workload() -> None:
    config = KubernetesConfig.model_validate({"port": 80, "cpu": 1})
    assert {name: (w.port, w.cpu) for name, w in config.workloads.items()} == {"": (80, "1")}
    assert list(KubernetesConfig.model_validate({}).workloads) == [""]
    assert KubernetesConfig.model_validate({"manifests": ["k8s/"]}).workloads == {}


@pytest.mark.parametrize(
    ("wanted", "live", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": "1000m"}, {"a": "1"}, []),
        ({"a": "1Gi"}, {"a": "1024Mi"}, []),
        ({"a": 8080}, {"a": "8080"}, []),
        ({"a": {}}, {}, []),
        ({"a": None, "b": ""}, {}, []),
        ({"a": 1}, {"a": 2}, [("a", 2, 1)]),
        ({"a": True}, {"a": False}, [("a", False, True)]),
        ({"l": [{"name": "x", "v": 1}]}, {"l": [{"name": "y"}, {"name": "x", "v": 1}]}, [("l[1]", "more", None)]),
        ({"l": [{"name": "x", "v": 1}]}, {"l": [{"name": "x", "v": 2}]}, [("l[x].v", 2, 1)]),
        ({"status": {"a": 1}}, {}, []),
    ],
)
def test_differences(wanted: Any, live: Any, expected: list[Any]) -> None:
    assert [(found.path, found.live, found.wanted) for found in find_differences(wanted, live)] == expected


@example([None, {"name": None}])
@example([{"name": "a", "x": 1}, {"name": "a", "x": 2}])
@example([{"name": ["a"]}, {"name": {}}])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert list(find_differences(value, value)) == []


def test_steps_for_what_is_missing_or_differs() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "ClusterIP"}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "p", "image": IMAGE}]},
    }
    live_pod = {**pod, "spec": {"containers": [{"name": "p", "image": "old"}]}}
    observed = KubernetesObserved(
        {
            "Service/web": answered(stamp(service)),
            "Deployment/web": answered({**deployment, "spec": {"replicas": 5}}),
            "Pod/p": answered(live_pod),
        }
    )
    steps = plan_objects([deployment, service, pod], observed, "prod")
    assert [(step.summary, step.detail) for step in steps] == [
        ("change Deployment/web", ("replicas  5 -> 2",)),
        ("replace Pod/p", ("containers[p].image  old -> ghcr.io/a/b@111111111111",)),
    ]
    assert [item["kind"] for item in ordered([deployment, pod, service])] == ["Service", "Deployment", "Pod"]


def test_the_values_of_a_secret_are_not_in_its_step() -> None:
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {LAST_APPLIED: "canary"}}}
    wanted = {**head, "data": {"key": "Y2FuYXJ5LW5ldw=="}, "stringData": {"other": "canary-4711"}}
    marks = value_marks(secret_values(wanted), "mark of {}".format)
    assert marks == {"key": "mark of canary-new", "other": "mark of canary-4711"}
    before = sealed_live(
        answered({**head, "data": {"key": "b2xk", "gone": "/w=="}}, resourceVersion="7"), "mark of {}".format
    )
    assert before.manifest["data"] == {"key": "mark of old", "gone": "mark of base64:/w=="}
    assert "canary" not in json.dumps(to_json(before))
    observed = KubernetesObserved({"Secret/s": before})
    [step] = plan_objects([sealed(wanted, {"key": "m1", "other": "m2"})], observed, "prod", {"Secret/s": "k8s/s.yml"})
    assert isinstance(step, ApplySecret)
    assert step.detail == (
        "key (secret)  hash mark of old -> m1",
        "+ other (secret)",
        "its values until now are kept in Secret/s-previous",
    )
    assert (step.file, step.version, step.previous) == ("k8s/s.yml", "7", "s-previous")
    assert step.manifest["data"] == {"key": "m1", "other": "m2"}
    assert "canary" not in json.dumps(to_json(step)) and "Y2FuYXJ5" not in json.dumps(to_json(step))
    [made] = plan_objects([sealed(wanted, {"key": "m1", "other": "m2"})], KubernetesObserved({}), "prod")
    assert (made.summary, made.detail) == ("create Secret/s", ("key (secret)", "other (secret)"))


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({"data": {"a": "YQ=="}}, {"a": b"a"}),
        ({"data": {"a": "Y\nQ==\n"}}, {"a": b"a"}),
        ({"data": {"a": "no base64!"}}, {"a": b"no base64!"}),
        ({"data": {"a": "/w=="}}, {"a": b"\xff"}),
        ({"data": {"a": "YQ=="}, "stringData": {"a": "b", "c": 1}}, {"a": b"b", "c": b"1"}),
        ({"data": None, "stringData": None}, {}),
        ({"data": []}, {}),
    ],
)
def test_the_values_of_a_secret_are_those_that_the_server_would_have(data: Any, values: dict[str, bytes]) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **data}
    assert secret_values(secret) == values
    marks = value_marks(values, str)
    assert secret_values(opened(sealed(secret, marks), values)) == values


def owned_by_us(manifest: dict[str, Any], fields: str, **metadata: Any) -> Live:
    entry = {"manager": "shipit", "operation": "Apply", "fieldsV1": yaml.safe_load(fields)}
    return answered(manifest, managedFields=[entry], **metadata)


def test_the_plan_names_removed_fields_and_list_items() -> None:
    container = {
        "name": "web", "image": IMAGE, "readinessProbe": {"httpGet": {"port": 80}}, "args": ["a", "b"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "THEIRS", "value": "3"}],
    }  # fmt: skip
    before = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"old": "x", "theirs": "y"}},
        "spec": {"template": {"spec": {"containers": [container, {"name": "injected", "image": "x"}]}}},
    }  # fmt: skip
    fields = """
f:metadata: {f:labels: {f:old: {}}, f:annotations: {f:shipit.dev/applied: {}}}
f:spec:
  f:template:
    f:spec:
      f:containers:
        k:{"name":"web"}:
          .: {}
          f:name: {}
          f:image: {}
          f:args: {}
          f:readinessProbe: {f:httpGet: {f:port: {}}}
          f:env:
            k:{"name":"A"}: {.: {}, f:name: {}, f:value: {}}
            k:{"name":"B"}: {.: {}, f:name: {}, f:value: {}}
"""
    wanted = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "image": IMAGE, "args": ["a"], "env": [{"name": "A", "value": "1"}]}]}}},
    }  # fmt: skip
    [step] = plan_objects([wanted], KubernetesObserved({"Deployment/web": owned_by_us(before, fields)}), "prod")
    assert step.detail == (
        "containers[web].args[1]  more -> none",
        "- metadata.labels",
        "- containers[web].readinessProbe",
        "- containers[web].env[B]",
    )


def test_a_sidecar_that_a_webhook_injects_is_no_difference() -> None:
    wanted = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "image": IMAGE}]}}},
    }
    made = stamp(wanted)
    made["spec"] = {
        "template": {"spec": {"containers": [{"name": "web", "image": IMAGE}, {"name": "proxy", "image": "x"}]}}
    }
    fields = 'f:spec: {f:template: {f:spec: {f:containers: {\'k:{"name":"web"}\': {.: {}, f:name: {}, f:image: {}}}}}}'
    live = owned_by_us(made, fields)
    assert plan_objects([wanted], KubernetesObserved({"Deployment/web": live}), "prod") == ()
    assert find_change(stamp(wanted), live) is None


def test_a_bare_pod_with_what_admission_adds_is_unchanged() -> None:
    toleration = {"key": "gpu", "operator": "Exists"}
    spec = {
        "containers": [{"name": "p", "image": IMAGE, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "tolerations": [toleration],
    }
    wanted: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    token = {"name": "kube-api-access-x", "projected": {"sources": []}}
    mount = {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    more = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}
    made = stamp(wanted)
    container = {"name": "p", "image": IMAGE, "volumeMounts": [{"name": "v", "mountPath": "/v"}, mount]}
    made["spec"] = {
        "containers": [container],
        "volumes": [{"name": "v", "emptyDir": {}}, token],
        "tolerations": [toleration, more],
    }
    observed = KubernetesObserved({"Pod/p": answered(made, uid="u-1", resourceVersion="7")})
    assert plan_objects([wanted], observed, "prod") == ()
    fewer = {**wanted, "spec": {**spec, "tolerations": []}}
    [step] = plan_objects([fewer], observed, "prod")
    assert isinstance(step, ReplaceObject) and (step.uid, step.effect) == ("u-1", "replace")


def test_replicas_that_shipit_applied_before_an_autoscaler_came_are_not_removed() -> None:
    deployment: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 1},
    }
    scaler: dict[str, Any] = {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    }  # fmt: skip
    made = stamp({**deployment, "spec": {}})
    live = owned_by_us({**made, "spec": {"replicas": 3}}, "f:spec: {f:replicas: {}}")
    observed = KubernetesObserved({"Deployment/web": live, "HorizontalPodAutoscaler/web": answered(stamp(scaler))})
    assert plan_objects([deployment, scaler], observed, "prod") == ()
    without = {**deployment, "spec": {}}
    [step] = plan_objects([without], KubernetesObserved({"Deployment/web": live}), "prod")
    assert step.detail == ("- replicas",), "without an autoscaler the count becomes the default"


def test_a_release_job_runs_once_for_each_manifest() -> None:
    job = render_job("shop-release-1", ["/bin/sh", "-c", "migrate"], IMAGE, SETTING)
    other = plan_objects(
        [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}], KubernetesObserved({}), "prod"
    )
    done = answered({**job, "status": {"conditions": [{"type": "Complete", "status": "True"}]}})
    failed = answered({**job, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}, uid="u-1")
    assert plan_release_job(job, KubernetesObserved({}), ()) is None, "nothing else is to change"
    step = plan_release_job(job, KubernetesObserved({}), other)
    assert step and step.summary == "run migrate"
    with_argument = render_job("release", ("/bin/sh", "-c", "migrate $0", "all"), IMAGE, SETTING)
    named = plan_release_job(with_argument, KubernetesObserved({}), other)
    assert named and named.summary == "run /bin/sh -c migrate $0 all"
    assert plan_release_job(job, KubernetesObserved({}, jobs=(done,)), other) is None
    again = plan_release_job(job, KubernetesObserved({}, jobs=(failed,)), ())
    assert isinstance(again, RunReleaseJob) and (again.failed, again.effect) == ("u-1", "run")


REPOSITORIES = {"web": "docker.io/user/web", "api": "ghcr.io/team/api", "cache": ""}


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("web", "web"),
        ("user/web:v3", "web"),
        ("docker.io/user/web", "web"),
        ("ghcr.io/team/api@sha256:" + "0" * 64, "api"),
        ("cache", "cache"),
        ("redis:8", None),
        ("", None),
        ("!!", None),
    ],
)
def test_the_image_of_deploy_yml_that_a_manifest_refers_to(text: str, image: str | None) -> None:
    assert image_for(text, REPOSITORIES) == image


def test_images_are_pinned_wherever_containers_stand() -> None:
    cron = {
        "spec": {
            "jobTemplate": {
                "spec": {
                    "template": {
                        "spec": {"initContainers": [{"image": "a"}], "containers": [{"image": "b"}, {"image": "c"}]}
                    }
                }
            }
        }
    }
    assert list(image_names(cron)) == ["a", "b", "c"]
    pinned = pin_images(cron, {"a": "A", "c": "C"}.get)
    assert list(image_names(pinned)) == ["A", "b", "C"]


def pod(
    name: str = "web-1",
    *,
    ready: bool = False,
    status: dict[str, Any] | None = None,
    conditions: list[Any] | None = None,
    image_id: str = "",
    image: str = IMAGE,
) -> Pod:
    rows = [{"type": "Ready", "status": "True" if ready else "False"}, *(conditions or [])]
    container = {"name": "web", "restartCount": 0, "state": {}, "imageID": image_id, **(status or {})}
    value = {
        "metadata": {"name": name, "namespace": "prod", "uid": name, "ownerReferences": [{"uid": "rs"}]},
        "spec": {"containers": [{"name": "web", "image": image}]},
        "status": {"phase": "Running", "conditions": rows, "containerStatuses": [container]},
    }
    return parse_pod(Field(value, "GET test"))


WANTED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "annotations": {"shipit.dev/applied": "ours"}},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web", "image": IMAGE}]}}},
}


def deployment(spec: Any = None, metadata: Any = None, **status: Any) -> Live:
    value = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "uid": "d",
            "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "2", "shipit.dev/applied": "ours"},
            **(metadata or {}),
        },
        "spec": {**WANTED["spec"], **(spec or {})},
        "status": {"observedGeneration": 2, **status},
    }
    return parse_live(Field(value, "GET test"))


REPLICA_SET = parse_meta(
    Field(
        {
            "name": "web-rs",
            "uid": "rs",
            "ownerReferences": [{"uid": "d"}],
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "GET test",
    )
)
DONE: dict[str, Any] = {"updatedReplicas": 1, "availableReplicas": 1, "replicas": 1}
CRASHED = {
    "restartCount": 1,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
}


def judged(
    live: Live | None, *pods: Pod, stalled_s: float = 0, allowed: int = 0, unchanged: bool = False, **more: Any
) -> Verdict:
    observed = KubernetesObserved({"Deployment/web": live}, tuple(pods), (REPLICA_SET,), **more)
    baseline = None if unchanged else KubernetesObserved({})
    released = Released({"Deployment/web": WANTED}, {}, {IMAGE: frozenset({"sha256:" + "1" * 64, "sha256:c"})})
    return judge_kubernetes(released, observed, Seen(100, 0, 100 - stalled_s, baseline), Limits(allowed, 30))


@pytest.mark.parametrize(
    ("verdict", "state", "reason"),
    [
        (judged(deployment(**DONE), pod(ready=True)), State.HEALTHY, "Deployment/web 1/1 ready"),
        (judged(deployment(**DONE, observedGeneration=1)), State.WAITING, "Deployment/web: not yet observed by its controller"),
        (judged(deployment(updatedReplicas=1, replicas=2, availableReplicas=1), pod()), State.WAITING,
         "Deployment/web: 1 of 1 updated, 1 available, 1 old (not ready)"),
        (judged(deployment(updatedReplicas=1), pod(status={"state": {"waiting": {"reason": "ContainerCreating"}}})), State.WAITING,
         "Deployment/web: 1 of 1 updated, 0 available (ContainerCreating)"),
        (judged(deployment(updatedReplicas=1), pod(), stalled_s=31), State.FAILED,
         "Deployment/web: 1 of 1 updated, 0 available (not ready): no progress for 31 s"),
        (judged(deployment(), pod(status=CRASHED)), State.FAILED, "Deployment/web: web-1 exited with 3 (Error)"),
        (judged(deployment(), pod(status={"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}})), State.FAILED,
         "Deployment/web: web-1 exited with 137 (OOMKilled)"),
        (judged(deployment(), pod(status=CRASHED), allowed=1), State.WAITING, "Deployment/web: 0 of 1 updated, 0 available (CrashLoopBackOff)"),
        (judged(deployment(), pod(status={"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such"}}})), State.FAILED,
         "Deployment/web: web-1 can't pull its image (ImagePullBackOff)"),
        (judged(deployment(), pod(status={"state": {"waiting": {"reason": "ErrImagePull", "message": "r/shop:v1: not found"}}})), State.FAILED,
         "Deployment/web: web-1 can't pull its image: the registry does not have it (ErrImagePull)"),
        (judged(deployment(), pod(status={"state": {"waiting": {"reason": "ErrImagePull", "message": "connection refused"}}})), State.WAITING,
         "Deployment/web: 0 of 1 updated, 0 available (ErrImagePull: connection refused)"),
        (judged(deployment(conditions=[{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]), stalled_s=2), State.FAILED,
         "Deployment/web: its pods can't be created: exceeded quota"),
        (judged(deployment(conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}])), State.FAILED,
         "Deployment/web: its progress deadline passed: 0 of 1 updated, 0 available"),
        (judged(deployment(**DONE), pod(ready=True, image_id="ghcr.io/a/b@sha256:" + "2" * 64)), State.FAILED,
         "Deployment/web: web of web-1 runs 222222222222, which is not what was pushed"),
        (judged(deployment(**DONE), pod(ready=True, image_id="x@sha256:" + "1" * 64, status={"restartCount": 7}), unchanged=True), State.HEALTHY,
         "Deployment/web 1/1 ready"),
        (judged(deployment(**DONE), pod(status=CRASHED), unchanged=True), State.FAILED, "Deployment/web: web-1 exited with 3 (Error)"),
        (judged(None), State.FAILED, "Deployment/web is gone"),
    ],
)  # fmt: skip
def test_verdicts_on_a_deployment(verdict: Verdict, state: State, reason: str) -> None:
    assert (verdict.state, verdict.reason) == (state, reason)


def test_a_crashed_pod_says_whose_logs_to_read() -> None:
    verdict = judged(deployment(), pod(status=CRASHED))
    assert (verdict.subject, verdict.hint) == ("pod:prod/web-1/web", "the lines above are the last it wrote")


def live(text: str, owned: str, version: str = "7") -> Live:
    """A live object with what we own of it, in the form of fieldsV1."""
    manifest: dict[str, Any] = yaml.safe_load(text)
    entry = {"manager": "shipit", "operation": "Apply", "fieldsV1": yaml.safe_load(owned)}
    return answered(
        manifest, managedFields=[{"manager": "kubectl", "operation": "Update"}, entry], resourceVersion=version
    )


LIVE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid: u, resourceVersion: '7', labels: {a: ours, b: theirs}}
spec:
  replicas: 3
  revisionHistoryLimit: 10
  template:
    spec:
      restartPolicy: Always
      containers:
        - {name: web, image: new, imagePullPolicy: Always, ports: [{containerPort: 80, protocol: TCP}]}
        - {name: sidecar, image: theirs}
status: {replicas: 3}
"""
OWNED = """
f:metadata: {f:labels: {f:a: {}}}
f:spec:
  f:replicas: {}
  f:template:
    f:spec:
      f:containers:
        k:{"name":"web"}:
          .: {}
          f:name: {}
          f:image: {}
          f:ports: {'k:{"containerPort":80,"protocol":"TCP"}': {.: {}, f:containerPort: {}}}
"""


def test_the_applied_manifest_is_read_back_from_the_owned_fields() -> None:
    assert applied(live(LIVE, OWNED)) == yaml.safe_load("""
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, namespace: shop, labels: {a: ours}}
    spec:
      replicas: 3
      template: {spec: {containers: [{name: web, image: new, ports: [{containerPort: 80}]}]}}
    """)
    assert applied(answered(yaml.safe_load(LIVE))) is None


# The sidecar is somebody else's, and was there when ours was applied.
ANSWER = live(LIVE, OWNED)
RELEASED = Released({"Deployment/web": applied(ANSWER) or {}})


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ("unchanged", "unchanged", []),
        ("unchanged", "changed", ["put Deployment/web back"]),
        ("unchanged", None, ["put Deployment/web back"]),
        (None, "changed", ["delete Deployment/web, which was not there"]),
        (None, None, []),
        ("foreign", "changed", ["put Deployment/web back"]),
        ("unchanged", "taken", []),
        (None, "taken", []),
    ],
)
def test_the_steps_of_a_rollback(before: str | None, now: str | None, expected: list[str]) -> None:
    taken = LIVE.replace("image: new", "image: somebody-else")
    foreign = yaml.safe_load(LIVE.replace("image: new", "image: foreign"))
    states = {
        "unchanged": live(LIVE.replace("new", "old"), OWNED, "6"),
        "changed": live(LIVE, OWNED),
        "foreign": answered(foreign, resourceVersion="6"),
        "taken": live(taken, OWNED.replace("f:image: {}", ""), "8"),
        None: None,
    }
    steps = plan_back(
        KubernetesObserved({"Deployment/web": states[before]}),
        KubernetesObserved({"Deployment/web": states[now]}),
        "shop",
        RELEASED,
    )
    assert [step.summary for step in steps] == expected
    for step in steps:
        if isinstance(step, ApplyObject):
            image = step.manifest["spec"]["template"]["spec"]["containers"][0]["image"]
            assert image == ("foreign" if before == "foreign" else "old")
            assert "status" not in step.manifest and "uid" not in step.manifest["metadata"]
            assert step.version == ("7" if now else "")
        else:
            assert isinstance(step, DeleteObject) and (step.uid, step.effect) == ("u", "delete")


def test_a_rollback_is_not_stopped_by_what_the_server_changed_as_it_was_applied() -> None:
    before = KubernetesObserved({"Deployment/web": live(LIVE.replace("new", "old"), OWNED, "6")})
    changed = live(LIVE.replace("image: new", "image: mirror/new"), OWNED.replace("f:image: {}", ""), "8")
    now = KubernetesObserved({"Deployment/web": changed})
    assert plan_back(before, now, "shop", RELEASED) == ()
    known = frozenset(hashes(object_differences(RELEASED.objects["Deployment/web"], changed)))
    [step] = plan_back(before, now, "shop", RELEASED._replace(known={"Deployment/web": known}))
    assert step.summary == "put Deployment/web back"
    later = live(LIVE.replace("image: new", "image: somebody-else"), OWNED.replace("f:image: {}", ""), "9")
    now = KubernetesObserved({"Deployment/web": later})
    assert plan_back(before, now, "shop", RELEASED._replace(known={"Deployment/web": known})) == ()


NOW = "2026-01-31T12:00:00Z"
IMAGE_OF_WEB: dict[str, Any] = {
    "f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {"f:image": {}}}}}}
}
OTHER = {"template": {"spec": {"containers": [{"name": "web", "image": "ghcr.io/a/b@sha256:" + "2" * 64}]}}}


def manager(
    name: str, fields: Any, operation: str = "Update", subresource: str = "", time: str = NOW
) -> dict[str, Any]:
    return {
        "manager": name, "operation": operation, "subresource": subresource, "time": time, "fieldsV1": fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("live", "reason", "by"),
    [
        (deployment(OTHER, {"managedFields": [manager("kubectl-set", IMAGE_OF_WEB)]}),
         f"Deployment/web: superseded by kubectl-set at {NOW}: containers[web].image is ghcr.io/a/b@222222222222, not ghcr.io/a/b@111111111111",
         "kubectl-set"),
        (deployment(OTHER, {"annotations": {"shipit.dev/applied": "theirs"}, "managedFields": [manager("shipit", IMAGE_OF_WEB, "Apply")]}),
         f"Deployment/web: superseded by another deploy at {NOW}: containers[web].image is ghcr.io/a/b@222222222222, not ghcr.io/a/b@111111111111",
         "another deploy"),
        (deployment(None, {"annotations": {"shipit.dev/applied": "theirs"}}),
         "Deployment/web: superseded by someone else: it was applied again, with other settings", "someone else"),
        (deployment({"replicas": 5}, {"managedFields": [manager("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")]}),
         f"Deployment/web: superseded by kubectl at {NOW}: replicas is 5, not 1", "kubectl"),
        (deployment({"template": {"spec": {"containers": []}}}),
         "Deployment/web: superseded by someone else: containers[web].image is none, not ghcr.io/a/b@111111111111", "someone else"),
        (deployment(None, {"deletionTimestamp": NOW}), "Deployment/web is being deleted", ""),
        (deployment(None, {"deletionTimestamp": NOW, "finalizers": ["example.com/hold"]}),
         "Deployment/web is being deleted, and waits for example.com/hold", ""),
    ],
)  # fmt: skip
def test_a_change_by_others_fails_with_author_time_and_field(live: Live, reason: str, by: str) -> None:
    verdict = judged(live, pod(ready=True))
    assert (verdict.state, verdict.reason, verdict.superseded_by) == (State.FAILED, reason, by)


def test_replicas_of_an_autoscaler_supersede_nothing() -> None:
    scaled = [manager("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale")]
    done = {"updatedReplicas": 5, "availableReplicas": 5, "replicas": 5}
    assert (
        judged(deployment({"replicas": 5}, {"managedFields": scaled}, **done), pod(ready=True)).state is State.HEALTHY
    )


def test_changes_of_a_webhook_during_the_apply_supersede_nothing() -> None:
    """An admission webhook may change what is applied; it is not somebody who came later."""
    mutated = deployment(OTHER, None, **DONE)
    observed = KubernetesObserved({"Deployment/web": mutated}, (), (REPLICA_SET,))
    known = frozenset(hashes(object_differences(WANTED, mutated)))
    assert known
    released = Released({"Deployment/web": WANTED}, {"Deployment/web": known})
    verdict = judge_kubernetes(released, observed, Seen(0, 0, 0), Limits(0, 30))
    assert verdict.state is State.HEALTHY


@pytest.mark.parametrize(
    ("marks", "secret", "reason"),
    [
        ({"TOKEN": "same"}, True, ""),
        ({"TOKEN": "other"}, True, f"Secret/env: superseded by kubectl-edit at {NOW}: TOKEN has another value"),
        ({}, True, f"Secret/env: superseded by kubectl-edit at {NOW}: TOKEN has another value"),
        ({}, False, "Secret/env is gone"),
    ],
)
def test_values_of_secrets_are_verified_with_the_image(marks: dict[str, str], secret: bool, reason: str) -> None:
    value = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "env"}, "data": {"TOKEN": "b2xk"}}
    found = answered(value, managedFields=[manager("kubectl-edit", {"f:data": {"f:TOKEN": {}}})]) if secret else None
    observed = KubernetesObserved({}, secret_marks=marks, secret=found)
    verdict = judge_kubernetes(
        Released(secret_key="Secret/env", secrets={"TOKEN": "same"}), observed, Seen(0, 0, 0), Limits(0, 30)
    )
    assert (verdict.state, verdict.reason) == ((State.FAILED, reason) if reason else (State.HEALTHY, "applied"))
    assert "b2xk" not in repr(found) and "old" not in repr(observed)


def test_an_observation_goes_to_json_and_comes_back_equal() -> None:
    found = live(LIVE, OWNED)
    secret = sealed_live(
        answered({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "env"}, "data": {"TOKEN": "b2xk"}}),
        "mark of {}".format,
    )
    observed = KubernetesObserved(
        {"Deployment/web": found, "Service/web": None}, (pod(status=CRASHED, image_id="x@sha256:" + "1" * 64),), (REPLICA_SET,),
        (found,), {"TOKEN": "m"}, "mark", False, secret, {"web": Serving(1, 1, "/up", 200)}, {"Secret/s": {"a": "m"}},
    )  # fmt: skip
    text = json.dumps(to_json(observed))
    assert from_json(KubernetesObserved, json.loads(text)) == observed
    assert "b2xk" not in text


@pytest.mark.parametrize(
    ("serving", "state", "told"),
    [
        (Serving(1, 1), State.HEALTHY, "Deployment/web 1/1 ready"),
        (Serving(None, 1), State.HEALTHY, "Deployment/web 1/1 ready"),
        (Serving(1, 1, "/up", 200), State.HEALTHY, "Deployment/web 1/1 ready, Service/web /up answers 200"),
        (Serving(1, 1, "/up", 302), State.HEALTHY, "Deployment/web 1/1 ready, Service/web /up answers 302"),
        (Serving(1, 1, "/up", 500), State.WAITING, "Service/web: GET /up answered 500"),
        (Serving(1, 1, "/up", 404), State.WAITING, "Service/web: GET /up answered 404"),
        (Serving(1, 1, "/up", 0), State.WAITING, "Service/web: GET /up gave no answer"),
        (Serving(0, 1), State.WAITING, "Service/web: none of its pods is an endpoint yet"),
        (Serving(0, 0), State.HEALTHY, "nothing serves: Service/web has no endpoints"),
        (Serving(1, 1, "/up", None, "the API server's proxy can't reach it"), State.HEALTHY,
         "Service/web: health was judged by its endpoints alone: the API server's proxy can't reach it"),
    ],
)  # fmt: skip
def test_verdicts_on_the_answers_of_a_service(serving: Serving, state: State, told: str) -> None:
    verdict = judged(deployment(**DONE), pod(ready=True), serving={"web": serving})
    assert verdict.state is state
    assert told in (verdict.reason, *verdict.warnings)
    stalled = judged(deployment(**DONE), pod(ready=True), serving={"web": serving}, stalled_s=31)
    assert stalled.state is (State.FAILED if state is State.WAITING else State.HEALTHY)


def test_a_workload_scaled_to_zero_is_healthy_with_a_warning() -> None:
    live = deployment({"replicas": 0})
    released = Released({"Deployment/web": {**WANTED, "spec": {**WANTED["spec"], "replicas": 0}}})
    verdict = judge_kubernetes(released, KubernetesObserved({"Deployment/web": live}), Seen(0, 0, 0), Limits(0, 30))
    assert (verdict.state, verdict.warnings) == (State.HEALTHY, ("Deployment/web has no pods: it is scaled to 0",))


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("ghcr.io/a/b@sha256:" + "1" * 64, "sha256:" + "1" * 64),
        ("docker-pullable://ghcr.io/a/b@sha256:" + "1" * 64, "sha256:" + "1" * 64),
        ("docker://sha256:" + "1" * 64, "sha256:" + "1" * 64),
        ("sha256:" + "1" * 64, "sha256:" + "1" * 64),
        ("", None), ("sha256:1", None), ("a@b", None), ("ghcr.io/a/b@sha256:" + "1" * 64 + "x", None), ("1" * 64, None),
    ],
)  # fmt: skip
def test_the_digest_of_an_image_id(text: str, digest: str | None) -> None:
    assert parse_image_id(text) == digest


@pytest.mark.parametrize(
    ("image_id", "image", "state"),
    [
        ("x@sha256:" + "1" * 64, IMAGE, State.HEALTHY),
        ("", IMAGE, State.HEALTHY),
        ("", "ghcr.io/a/b@sha256:" + "2" * 64, State.FAILED),
        ("x@sha256:" + "2" * 64, IMAGE, State.FAILED),
        ("garbage sha256:" + "1" * 64 + " and more", "ghcr.io/a/b@sha256:" + "2" * 64, State.FAILED),
        ("x@sha256:" + "2" * 64 + " sha256:" + "1" * 64, IMAGE, State.HEALTHY),
    ],
)
def test_an_image_is_judged_by_its_digest_only(image_id: str, image: str, state: State) -> None:
    assert judged(deployment(**DONE), pod(ready=True, image_id=image_id, image=image)).state is state


def test_the_new_lines_of_a_log() -> None:
    tail = Tail()
    assert tail.since == ""
    first = ["2026-01-31T12:00:00.1Z one", "2026-01-31T12:00:00.12Z two", "2026-01-31T12:00:01.000000001Z three"]
    assert tail.new(first) == ["one", "two", "three"]
    assert tail.since == "2026-01-31T12:00:01Z"
    assert tail.new([first[2], "2026-01-31T12:00:01.000000002Z four", "not a time"]) == ["four", "not a time"]
    assert tail.new([first[2], "2026-01-31T12:00:01.000000002Z four", "not a time"]) == []
    assert tail.new(["2026-01-31T14:00:02+02:00 five"]) == ["five"]
    tail.skip()
    assert tail.since == "2026-01-31T12:00:03Z"


@given(st.lists(st.text(max_size=40), max_size=20))
def test_no_log_breaks_the_tail(lines: list[str]) -> None:
    tail = Tail()
    assert len(tail.new(lines)) <= len(lines)
    assert tail.new(lines) == []


def test_the_hash_of_secrets_depends_on_values_names_and_place_only(tmp_path: Path) -> None:
    def mark(namespace: str = "prod", **values: str) -> str:
        text = "app: shop\nimage: user/shop\nsecrets: {A: {env: A}, B: {env: B}}\ntargets: {k8s: {port: 80}}\n"
        project = runs.project(tmp_path, text, runs.environment(tmp_path))
        config = project.targets["k8s"]
        assert isinstance(config, KubernetesConfig)
        return secret_mark(Desired("k8s", config, project, namespace, (), ("A", "B")), values)

    assert mark(A="one", B="two") == mark(B="two", A="one")
    assert (
        len({mark(A="one", B="two"), mark(A="onet", B="wo"), mark("other", A="one", B="two"), mark(A="one", B="x")})
        == 4
    )


def template(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        **more,
        "template": {"spec": {"containers": [{"name": "web", "image": IMAGE, **row} for row in containers]}},
    }


def pod_running(*, init: bool, restart: str | None = None) -> Pod:
    status = {"name": "first", "state": {"running": {"startedAt": NOW}}}
    key = "initContainerStatuses" if init else "containerStatuses"
    first = {"name": "first", "image": IMAGE, **({"restartPolicy": restart} if restart else {})}
    value = {
        "metadata": {"name": "web-1", "namespace": "prod", "uid": "p", "ownerReferences": [{"uid": "rs"}]},
        "spec": {"containers": [{"name": "web", "image": IMAGE}], "initContainers": [first]},
        "status": {"phase": "Pending", key: [status]},
    }
    return parse_pod(Field(value, "GET test"))


@pytest.mark.parametrize(
    ("spec", "pods", "seconds"),
    [
        (template({}), [], 0),
        (template({"readinessProbe": {}}), [], 10),
        (template({"readinessProbe": {"initialDelaySeconds": 45, "periodSeconds": 5}}), [], 50),
        (template({"startupProbe": {"failureThreshold": 30, "periodSeconds": 10}, "readinessProbe": {}}), [], 310),
        (template({"readinessProbe": {"initialDelaySeconds": 5}}, {"readinessProbe": {"initialDelaySeconds": 50}}, minReadySeconds=20), [], 80),
        (template({"readinessProbe": {"initialDelaySeconds": -1, "periodSeconds": True}, "startupProbe": "x"}, minReadySeconds="20"), [], 10),
        (template({"startupProbe": {"failureThreshold": 2**62}}), [], 86_400),
        ({"template": {"spec": {"containers": "odd"}}}, [], 0),
        ({"template": []}, [], 0),
        (template({}), [pod_running(init=True)], math.inf),
        (template({}), [pod_running(init=True, restart="Always")], 0),
        (template({}), [pod_running(init=False)], 0),
    ],
)  # fmt: skip
def test_how_long_an_object_may_be_unready_beyond_pending(spec: Any, pods: list[Pod], seconds: float) -> None:
    value = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    live = Live("Deployment", parse_meta(Field(value["metadata"], "GET test")), value)
    assert patience_s(live, pods) == seconds
    job = Live("Job", live.meta, {**value, "kind": "Job"})
    assert patience_s(job, [pod_running(init=False)]) == math.inf


@pytest.mark.parametrize(
    ("delay_s", "stalled_s", "state"),
    [
        (0, 29, State.WAITING),
        (0, 31, State.WAITING),
        (0, 41, State.FAILED),
        (60, 95, State.WAITING),
        (60, 101, State.FAILED),
    ],
)
def test_a_readiness_delay_is_a_reason_to_wait(delay_s: int, stalled_s: float, state: State) -> None:
    probe = {"readinessProbe": {"initialDelaySeconds": delay_s}}
    spec = template(probe)
    verdict = judged(deployment(spec, updatedReplicas=1), pod(), stalled_s=stalled_s)
    assert verdict.state is state, verdict.reason


MODE_OF_WEB: dict[str, Any] = {"f:data": {"f:mode": {}}}


def settings(mode: str, *managers: dict[str, Any]) -> Live:
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": mode}}
    return answered(value, managedFields=list(managers), resourceVersion="7")


@pytest.mark.parametrize(
    ("live", "conflicts", "detail"),
    [
        (settings("old", manager("shipit", MODE_OF_WEB, "Apply")), [], "data.mode  old -> new"),
        (settings("old", manager("kubectl-edit", MODE_OF_WEB)), [], f"data.mode  old -> new, set by kubectl-edit at {NOW}"),
        (settings("old", manager("argocd", MODE_OF_WEB, "Apply")), [f"ConfigMap/settings: data.mode is old, not new; argocd set it at {NOW}"],
         f"data.mode  old -> new, set by argocd at {NOW}"),
        (settings("old", manager("argocd", {"f:data": {"f:other": {}}}, "Apply")), [], "data.mode  old -> new"),
        (settings("old", manager("argocd", MODE_OF_WEB, "Apply"), manager("kubectl-edit", MODE_OF_WEB, time="2026-02-01T12:00:00Z")), [],
         "data.mode  old -> new, set by kubectl-edit at 2026-02-01T12:00:00Z"),
    ],
)  # fmt: skip
def test_drift_has_its_author_and_another_apply_manager_is_a_conflict(
    live: Live, conflicts: list[str], detail: str
) -> None:
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "new"}}
    [step] = plan_objects([wanted], KubernetesObserved({"ConfigMap/settings": live}), "prod")
    assert step.detail == (detail,)
    assert list(find_conflicts({"ConfigMap/settings": stamp(wanted)}, {"ConfigMap/settings": live})) == conflicts
    same = {**wanted, "data": {"mode": "old"}}
    assert list(find_conflicts({"ConfigMap/settings": same}, {"ConfigMap/settings": live, "ConfigMap/x": None})) == []


def test_replicas_of_an_autoscaled_workload_are_left_to_keda() -> None:
    targets: list[dict[str, Any]] = [{"name": "web"}, {"name": "db", "kind": "StatefulSet", "apiVersion": "apps/v1"}]
    objects = [
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "x"}, "spec": {"scaleTargetRef": target}}
        for target in targets
    ]  # fmt: skip
    assert autoscaled(objects, "prod") == {"Deployment/web", "StatefulSet/db"}


def test_a_changed_port_is_one_difference_and_a_removed_one_is_another() -> None:
    head = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    ports = [{"name": "http", "port": 80}, {"name": "admin", "port": 90}]
    items: dict[str, Any] = {f'k:{{"port":{row["port"]}}}': {".": {}, "f:name": {}, "f:port": {}} for row in ports}
    owned = manager("shipit", {"f:spec": {"f:ports": items}}, "Apply")
    live = answered(stamp({**head, "spec": {"ports": ports}}), managedFields=[owned])
    wanted = {**head, "spec": {"ports": [{"name": "http", "port": 81}]}}
    found = [(item.path, item.is_removed) for item in object_differences(wanted, live)]
    assert found == [("spec.ports[http].port", False), ("spec.ports[admin]", True)]


def test_a_count_that_an_autoscaler_has_not_set_yet_stays_when_the_manifest_has_none_any_more() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
    head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    before, after = {**head, "spec": {"replicas": 3, "paused": False}}, {**head, "spec": {"paused": True}}
    objects = [after, {**scaler, "spec": {"scaleTargetRef": target}}]

    def step(owner: str) -> ApplyObject:
        owned = manager(owner, {"f:spec": {"f:replicas": {}, "f:paused": {}}}, "Apply")
        observed = KubernetesObserved({"Deployment/web": answered(stamp(before), managedFields=[owned])})
        found = [step for step in plan_objects(objects, observed, "prod") if step.id == "apply Deployment/web"]
        assert len(found) == 1 and isinstance(found[0], ApplyObject)
        return found[0]

    assert (step("shipit").replicas, step("shipit").manifest["spec"]) == (3, {"paused": True})
    assert step("other").replicas is None


@pytest.mark.parametrize("name", ["kube-controller-manager", "keda"])
def test_replicas_of_an_autoscaler_outside_deploy_yml_are_left_alone(name: str) -> None:
    scaled = manager(name, {"f:spec": {"f:replicas": {}}}, subresource="scale")
    wanted = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 1, "paused": False},
    }
    made = {**stamp(wanted), "spec": {"replicas": 5, "paused": False}}
    observed = KubernetesObserved({"Deployment/web": answered(made, managedFields=[scaled])})
    assert plan_objects([wanted], observed, "prod") == ()
    other = {**wanted, "spec": {"replicas": 1, "paused": True}}
    [step] = plan_objects([other], observed, "prod")
    assert isinstance(step, ApplyObject)
    assert (step.detail, step.replicas) == (("paused  false -> true",), 1)
    assert step.manifest["spec"] == {"paused": True}
    assert step.manifest["metadata"] == stamp(other)["metadata"]


def test_a_container_that_starts_or_ends_is_progress() -> None:
    states = [{}, {"running": {"startedAt": NOW}}, {"terminated": {"exitCode": 0}}]
    found = {judged(deployment(updatedReplicas=1), pod(status={"state": state})).progress for state in states}
    assert len(found) == 3
