"""Rendering, comparing, planning and judging Kubernetes objects: values in, values out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.applied import applied, plan_back
from shipit.targets.kubernetes.config import KubernetesConfig, WorkloadConfig
from shipit.targets.kubernetes.drift import differences, stamp
from shipit.targets.kubernetes.judge import Limits, judge_kubernetes
from shipit.targets.kubernetes.manifests import image_for, image_names, pin_images
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.plan import ordered, plan_objects, plan_release_job
from shipit.targets.kubernetes.render import Setting, render_job, render_workload

IMAGE = "ghcr.io/a/b@sha256:" + "1" * 64
SETTING = Setting("shop", "prod", env={"MODE": "x"}, secret_names=("TOKEN",), secret_mark="m1", secret_name="shop-env")


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
    objects = render_workload("web", config, IMAGE, "sha256:c", SETTING)
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
    assert list(differences(wanted, live)) == expected


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
    assert list(differences(value, value)) == []


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
        {"Service/web": stamp(service), "Deployment/web": {**deployment, "spec": {"replicas": 5}}, "Pod/p": live_pod}
    )
    steps = plan_objects([deployment, service, pod], observed, "prod")
    assert [(step.summary, step.detail) for step in steps] == [
        ("change Deployment/web", ("replicas  5 -> 2",)),
        ("replace Pod/p", ("containers[p].image  old -> ghcr.io/a/b@111111111111",)),
    ]
    assert [item["kind"] for item in ordered([deployment, pod, service])] == ["Service", "Deployment", "Pod"]


def test_what_a_secret_holds_is_not_in_the_plan() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"key": "bmV3"},
        "stringData": {"other": "canary"},
    }
    [step] = plan_objects([secret], KubernetesObserved({"Secret/s": {**secret, "data": {"key": "b2xk"}}}), "prod")
    assert step.detail == ("data.key (secret)",)
    [made] = plan_objects([secret], KubernetesObserved({}), "prod")
    assert made.detail == ()


def test_a_release_job_runs_once_for_what_it_is() -> None:
    job = render_job("shop-release-1", ["/bin/sh", "-c", "migrate"], IMAGE, SETTING)
    other = plan_objects(
        [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}], KubernetesObserved({}), "prod"
    )
    done = {**job, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    failed = {**job, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    assert plan_release_job(job, KubernetesObserved({}), ()) is None, "nothing else is to change"
    step = plan_release_job(job, KubernetesObserved({}), other)
    assert step and step.summary == "run migrate"
    assert plan_release_job(job, KubernetesObserved({}, jobs=(done,)), other) is None
    again = plan_release_job(job, KubernetesObserved({}, jobs=(failed,)), ())
    assert again and again.payload["replace"] is True


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
def test_which_image_a_manifest_means(text: str, image: str | None) -> None:
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
) -> dict[str, Any]:
    rows = [{"type": "Ready", "status": "True" if ready else "False"}, *(conditions or [])]
    container = {"name": "web", "restartCount": 0, "state": {}, "imageID": image_id, **(status or {})}
    return {
        "metadata": {"name": name, "namespace": "prod", "uid": name, "ownerReferences": [{"uid": "rs"}]},
        "spec": {"containers": [{"name": "web", "image": IMAGE}]},
        "status": {"phase": "Running", "conditions": rows, "containerStatuses": [container]},
    }


def deployment(**status: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "uid": "d",
            "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 2, **status},
    }


REPLICA_SET = {
    "metadata": {
        "uid": "rs",
        "ownerReferences": [{"uid": "d"}],
        "annotations": {"deployment.kubernetes.io/revision": "2"},
    }
}
DONE = {"updatedReplicas": 1, "availableReplicas": 1, "replicas": 1}
CRASHED = {
    "restartCount": 1,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
}


def judged(
    live: dict[str, Any] | None, *pods: dict[str, Any], stalled_s: float = 0, allowed: int = 0, unchanged: bool = False
) -> Verdict:
    observed = KubernetesObserved({"Deployment/web": live}, tuple(pods), (REPLICA_SET,))
    baseline = None if unchanged else KubernetesObserved({})
    limits = Limits(allowed, 30, {IMAGE: frozenset({"sha256:" + "1" * 64, "sha256:c"})})
    return judge_kubernetes(["Deployment/web"], observed, Seen(100, 0, 100 - stalled_s, baseline), limits)


@pytest.mark.parametrize(
    ("verdict", "state", "reason"),
    [
        (judged(deployment(**DONE), pod(ready=True)), State.HEALTHY, "Deployment/web 1/1 ready"),
        (judged(deployment(**DONE, observedGeneration=1)), State.WAITING, "Deployment/web: not yet taken up"),
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
        (judged(deployment(conditions=[{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}])), State.FAILED,
         "Deployment/web: exceeded quota"),
        (judged(deployment(conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}])), State.FAILED,
         "Deployment/web: its progress deadline passed"),
        (judged(deployment(**DONE), pod(ready=True, image_id="ghcr.io/a/b@sha256:" + "2" * 64)), State.FAILED,
         f"Deployment/web: web runs ghcr.io/a/b@sha256:{'2' * 64}, which is not what was pushed"),
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


def live(text: str, owned: str) -> dict[str, Any]:
    """A live object with what we own of it, in the form of fieldsV1."""
    manifest: dict[str, Any] = yaml.safe_load(text)
    entry = {"manager": "shipit", "operation": "Apply", "fieldsV1": yaml.safe_load(owned)}
    manifest["metadata"]["managedFields"] = [{"manager": "kubectl", "operation": "Update"}, entry]
    return manifest


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


def test_what_was_applied_is_read_back_from_what_we_own() -> None:
    assert applied(live(LIVE, OWNED)) == yaml.safe_load("""
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, namespace: shop, labels: {a: ours}}
    spec:
      replicas: 3
      template: {spec: {containers: [{name: web, image: new, ports: [{containerPort: 80}]}]}}
    """)
    assert applied({**live(LIVE, OWNED), "metadata": {"name": "web"}}) is None


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ("unchanged", "unchanged", []),
        ("unchanged", "changed", ["put Deployment/web back"]),
        ("unchanged", None, ["put Deployment/web back"]),
        (None, "changed", ["delete Deployment/web, which was not there"]),
        (None, None, []),
        ("foreign", "changed", ["put Deployment/web back"]),
    ],
)
def test_the_way_back(before: str | None, now: str | None, expected: list[str]) -> None:
    unchanged = live(LIVE.replace("new", "old"), OWNED)
    foreign = yaml.safe_load(LIVE.replace("image: new", "image: foreign"))
    states = {"unchanged": unchanged, "changed": live(LIVE, OWNED), "foreign": foreign, None: None}
    steps = plan_back(
        KubernetesObserved({"Deployment/web": states[before]}),
        KubernetesObserved({"Deployment/web": states[now]}),
        "shop",
    )
    assert [step.summary for step in steps] == expected
    for step in steps:
        if "apply" in step.payload:
            image = step.payload["apply"]["spec"]["template"]["spec"]["containers"][0]["image"]
            assert image == ("foreign" if before == "foreign" else "old")
            assert "status" not in step.payload["apply"] and "uid" not in step.payload["apply"]["metadata"]
