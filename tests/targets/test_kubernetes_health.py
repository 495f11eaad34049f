"""The rules of each kind as tables: an object, its pods and events as a server answers them in, a verdict out."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shipit.http.fields import Field
from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.describe import describe_objects
from shipit.targets.kubernetes.health.route import class_warnings
from shipit.targets.kubernetes.health.settled import needs_events
from shipit.targets.kubernetes.judge import Health, judge_kind, judge_kubernetes
from shipit.targets.kubernetes.live import Happening, Live, Meta, Pod
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.outage import outage
from shipit.targets.kubernetes.parse import parse_event, parse_live, parse_meta, parse_pod
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.superseded import Released

Object = dict[str, Any]
WAITING, HEALTHY, FAILED = State.WAITING, State.HEALTHY, State.FAILED
APPLIED = "2026-01-31T12:00:00Z"
LATER = "2026-01-31T12:00:05Z"
BEFORE = "2026-01-31T11:00:00Z"
GROUPS = {
    "Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "ReplicaSet": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1", "HorizontalPodAutoscaler": "autoscaling/v2", "PodDisruptionBudget": "policy/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1", "APIService": "apiregistration.k8s.io/v1", "Database": "example.com/v1",
    "Ingress": "networking.k8s.io/v1",
}  # fmt: skip


def live(kind: str, spec: Object | None = None, status: Object | None = None, **metadata: Any) -> Live:
    """An object of generation 2 with the uid `own`, which a deploy applied."""
    managed = [{"manager": "shipit", "operation": "Apply", "time": APPLIED, "fieldsV1": {}}]
    head = {"name": "x", "namespace": "prod", "uid": "own", "generation": 2, "managedFields": managed, **metadata}
    value = {
        "apiVersion": GROUPS.get(kind, "v1"),
        "kind": kind,
        "metadata": head,
        "spec": spec or {},
        "status": status or {},
    }
    return parse_live(Field(value, "GET test"))


def pod(*containers: Object, init: tuple[Object, ...] = (), ready: bool = False, **more: Any) -> Pod:
    """A pod of `own`. `labels`, `spec` and `conditions` are its own, `containers` the statuses."""
    conditions = [{"type": "Ready", "status": str(ready)}, *more.get("conditions", ())]
    value = {
        "metadata": {"name": more.get("name", "x-1"), "namespace": "prod", "uid": "pod", "labels": more.get("labels", {}),
                     "ownerReferences": [{"uid": more.get("owner", "own")}]},
        "spec": {"containers": [{"name": "web", "image": "a:1"}], "initContainers": [{"name": row["name"]} for row in init], **more.get("spec", {})},
        "status": {"phase": more.get("phase", "Running"), "conditions": conditions, "initContainerStatuses": list(init),
                   "containerStatuses": [{"name": "web", **row} for row in containers]},
    }  # fmt: skip
    return parse_pod(Field(value, "GET test"))


def event(reason: str, message: str, about: str = "own", **more: Any) -> Happening:
    """An event of an object by its uid, or of a container of the pod: `pod/web`."""
    uid, _, container = about.partition("/")
    value = {
        "involvedObject": {"kind": more.get("kind", "Pod"), "name": more.get("name", "x"), "namespace": "prod", "uid": uid,
                           **({"fieldPath": f"spec.containers{{{container}}}"} if container else {})},
        "type": more.get("type", "Warning"), "reason": reason, "message": message, "count": more.get("count", 1),
        "lastTimestamp": more.get("time", LATER),
    }  # fmt: skip
    return parse_event(Field(value, "GET test"))


def health(
    found: Live,
    *pods: Pod,
    events: tuple[Happening, ...] | None = (),
    stalled_s: float = 2,
    allowed: int = 0,
    changed: bool = True,
    others: tuple[Live, ...] = (),
    sets: tuple[Meta, ...] = (),
) -> Health:
    objects = {f"{item.kind}/{item.meta.name}": item for item in (found, *others)}
    observed = KubernetesObserved(objects, pods, sets, events=events)
    baseline = KubernetesObserved({}) if changed else None
    return judge_kind(f"{found.kind}/x", found, observed, Seen(100, 0, 100 - stalled_s, baseline), Limits(allowed, 30))


def judged(found: Live, *pods: Pod, **more: Any) -> Verdict:
    return health(found, *pods, **more).verdict


RUNS = {"state": {"running": {"startedAt": LATER}}}
CREATING = {"state": {"waiting": {"reason": "ContainerCreating"}}}
EXITED = {"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
          "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "startedAt": APPLIED, "finishedAt": LATER}}}  # fmt: skip
STATEFUL = {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "updateRevision": "new"}
OLD: Any = {"labels": {"controller-revision-hash": "old"}}
NEW: Any = {"labels": {"controller-revision-hash": "new"}}
SCALED_DOWN = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
DAEMON = {
    "observedGeneration": 2,
    "desiredNumberScheduled": 1,
    "numberReady": 1,
    "numberAvailable": 1,
    "updatedNumberScheduled": 1,
}
QUOTA = 'pods "x-0" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1'
WEBHOOK = 'Internal error occurred: failed calling webhook "check.example.com": Post "https://check.prod.svc:443/": service "check" not found'


def condition(kind: str, status: str, reason: str = "Because", message: str = "") -> Object:
    return {"conditions": [{"type": kind, "status": status, "reason": reason, "message": message}]}


def of_generation(observed: int, *words: str) -> Object:
    """A condition that says which generation of the object it is of."""
    [row] = condition(*words)["conditions"]
    return {"conditions": [{**row, "observedGeneration": observed}]}


@pytest.mark.parametrize(
    ("verdict", "state", "reason"),
    [
        (judged(live("Deployment", {"paused": True}, {"observedGeneration": 2})), FAILED, "Deployment/x: it is paused: 0 of 1 updated"),
        (judged(live("Deployment", {"replicas": 1}, {"observedGeneration": 1})), WAITING, "Deployment/x: not yet observed by its controller"),
        (judged(live("Deployment", {}, {"observedGeneration": 2, **condition("ReplicaFailure", "True", "FailedCreate", QUOTA)})), FAILED,
         f"Deployment/x: its pods can't be created: {QUOTA}"),
        (judged(live("Deployment", {"replicas": 2}, {"observedGeneration": 2, **SCALED_DOWN})), WAITING,
         "Deployment/x: 3 of 2 updated, 3 available, 1 to be removed"),
        (judged(live("Deployment", {"replicas": 0, "paused": True}, {"observedGeneration": 2, **SCALED_DOWN})), WAITING,
         "Deployment/x: 3 of 0 updated, 3 available, 3 to be removed"),
        (judged(live("ReplicaSet", {"replicas": 2}, {"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2})), HEALTHY,
         "ReplicaSet/x 2/2 ready"),
        (judged(live("ReplicaSet", {"replicas": 2}, {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3})), WAITING,
         "ReplicaSet/x: 3 of 2 available, 3 there"),
        (judged(live("ReplicaSet", {"replicas": 2}, {"observedGeneration": 2, "replicas": 1}), pod(EXITED)), FAILED, "ReplicaSet/x: x-1 exited with 3 (Error)"),
        (judged(live("ReplicationController", {"replicas": 1, "selector": {"a": "b"}}, {"observedGeneration": 2, "replicas": 1}), pod(RUNS)), WAITING,
         "ReplicationController/x: 0 of 1 available (not ready)"),
        (judged(live("ReplicationController", {"replicas": 1}, {"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1})), HEALTHY,
         "ReplicationController/x 1/1 ready"),
        (judged(live("StatefulSet", {"replicas": 3}, {**STATEFUL, "updatedReplicas": 3})), HEALTHY, "StatefulSet/x 3/3 ready"),
        (judged(live("StatefulSet", {"replicas": 3}, {**STATEFUL, "updatedReplicas": 1})), WAITING, "StatefulSet/x: 1 of 3 updated, 3 of 3 ready"),
        (judged(live("StatefulSet", {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}, {**STATEFUL, "updatedReplicas": 1})), HEALTHY,
         "StatefulSet/x 3/3 ready"),
        (judged(live("StatefulSet", {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}}, {**STATEFUL, "updatedReplicas": 1})), WAITING,
         "StatefulSet/x: 1 of 2 updated, 3 of 3 ready"),
        (judged(live("StatefulSet", {"replicas": 3, "updateStrategy": {"type": "OnDelete"}}, STATEFUL)), HEALTHY, "StatefulSet/x 3/3 ready"),
        (judged(live("StatefulSet", {"replicas": 2}, {**STATEFUL, "updatedReplicas": 3})), WAITING, "StatefulSet/x: 3 of 2 updated, 3 of 2 ready, 1 to be removed"),
        (judged(live("StatefulSet", {"replicas": 3, "minReadySeconds": 5}, {**STATEFUL, "updatedReplicas": 3, "availableReplicas": 2})), WAITING,
         "StatefulSet/x: 3 of 3 updated, 3 of 3 ready"),
        (judged(live("StatefulSet", {"replicas": 1}, {"observedGeneration": 2, "updateRevision": "new"}), pod(EXITED, **OLD), pod(RUNS, **NEW)), WAITING,
         "StatefulSet/x: 0 of 1 updated, 0 of 1 ready (CrashLoopBackOff)"),
        (judged(live("StatefulSet", {"replicas": 1}, {"observedGeneration": 2, "updateRevision": "new"}), pod(EXITED, **NEW)), FAILED,
         "StatefulSet/x: x-1 exited with 3 (Error)"),
        (judged(live("StatefulSet", {"replicas": 1}, {"observedGeneration": 2}), events=(event("FailedCreate", QUOTA),)), FAILED,
         f"StatefulSet/x: its pods can't be created: {QUOTA}"),
        (judged(live("StatefulSet", {"replicas": 1}, {"observedGeneration": 2}), events=(event("FailedCreate", QUOTA, time=BEFORE),)), WAITING,
         "StatefulSet/x: 0 of 1 updated, 0 of 1 ready"),
        (judged(live("StatefulSet", {"replicas": 1}, {"observedGeneration": 2}), events=(event("FailedCreate", QUOTA),), stalled_s=0), WAITING,
         "StatefulSet/x: 0 of 1 updated, 0 of 1 ready"),
        (judged(live("DaemonSet", {}, DAEMON)), HEALTHY, "DaemonSet/x 1/1 ready"),
        (judged(live("DaemonSet", {}, {**DAEMON, "updatedNumberScheduled": 0})), WAITING, "DaemonSet/x: 0 of 1 updated, 1 ready"),
        (judged(live("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, {**DAEMON, "updatedNumberScheduled": 0})), HEALTHY, "DaemonSet/x 1/1 ready"),
        (judged(live("DaemonSet", {}, {**DAEMON, "numberReady": 0}, annotations={"deprecated.daemonset.template.generation": "2"}),
                pod(EXITED, labels={"pod-template-generation": "1"})), WAITING, "DaemonSet/x: 1 of 1 updated, 0 ready (CrashLoopBackOff)"),
        (judged(live("DaemonSet", {}, DAEMON | {"numberReady": 0}), events=(event("FailedCreate", WEBHOOK),)), FAILED, f"DaemonSet/x: its pods can't be created: {WEBHOOK}"),
        (judged(live("Job", {}, condition("Complete", "True"))), HEALTHY, "Job/x succeeded"),
        (judged(live("Job", {}, condition("SuccessCriteriaMet", "True"))), HEALTHY, "Job/x succeeded"),
        (judged(live("Job", {}, condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")),
                pod({"state": {"terminated": {"exitCode": 5, "reason": "Error"}}}, phase="Failed", spec={"restartPolicy": "Never"})), FAILED,
         "Job/x failed: x-1 exited with 5 (Error); job has reached the specified backoff limit"),
        (judged(live("Job", {}, condition("FailureTarget", "True", "DeadlineExceeded", "Job was active longer than specified deadline"))), FAILED,
         "Job/x failed: job was active longer than specified deadline"),
        (judged(live("Job", {"backoffLimit": 2}, {"failed": 1, "active": 1}), pod({"state": {"terminated": {"exitCode": 5}}}, spec={"restartPolicy": "Never"})), WAITING,
         "Job/x: running, 1 failed (not ready)"),
        (judged(live("Job", {"backoffLimit": 1}), pod(EXITED, spec={"restartPolicy": "OnFailure"})), FAILED,
         "Job/x failed: x-1 exited with 3 (Error); it was tried as often as backoffLimit allows"),
        (judged(live("Job", {"backoffLimit": 0}), pod({"state": {"terminated": {"exitCode": 5, "reason": "Error"}}}, phase="Failed", spec={"restartPolicy": "Never"})), FAILED,
         "Job/x failed: x-1 exited with 5 (Error); it was tried as often as backoffLimit allows"),
        (judged(live("Job", {"backoffLimit": 0}), pod({"state": {"terminated": {"exitCode": 5, "reason": "Error"}}}, phase="Running", spec={"restartPolicy": "Never"})), FAILED,
         "Job/x failed: x-1 exited with 5 (Error); it was tried as often as backoffLimit allows"),
        (judged(live("Job", {"backoffLimit": 0}), pod({"state": {"terminated": {"exitCode": 0}}}, phase="Running", spec={"restartPolicy": "Never"})), WAITING,
         "Job/x: running (not ready)"),
        (judged(live("Job", {"backoffLimit": 0, "template": {"spec": {"containers": [{"name": "web", "restartPolicy": "Never", "restartPolicyRules": []}]}}}),
                pod({"state": {"terminated": {"exitCode": 5}}}, phase="Running", spec={"restartPolicy": "Never"})), WAITING,
         "Job/x: running (not ready)"),
        (judged(live("Job", {"backoffLimit": 0, "podFailurePolicy": {"rules": []}}), pod({"state": {"terminated": {"exitCode": 5}}}, phase="Failed", spec={"restartPolicy": "Never"})), WAITING,
         "Job/x: running (not ready)"),
        (judged(live("Job", {}), pod(EXITED, spec={"restartPolicy": "OnFailure"})), WAITING, "Job/x: running (CrashLoopBackOff)"),
        (judged(live("Job", {}), pod({"state": {"waiting": {"reason": "ErrImagePull", "message": "a:1: not found"}}}, spec={"restartPolicy": "Never"})), FAILED,
         "Job/x: x-1 can't pull its image: the registry does not have it (ErrImagePull)"),
        (judged(live("Job", {"suspend": True})), HEALTHY, "Job/x is suspended"),
        (judged(live("CronJob", {"suspend": True})), HEALTHY, ""),
        (judged(live("PersistentVolumeClaim", {}, {"phase": "Bound"})), HEALTHY, "PersistentVolumeClaim/x is bound"),
        (judged(live("PersistentVolumeClaim", {}, {"phase": "Lost"})), FAILED, "PersistentVolumeClaim/x: its volume is gone"),
        (judged(live("PersistentVolumeClaim", {}, {"phase": "Pending"})), WAITING, "PersistentVolumeClaim/x: not bound yet"),
        (judged(live("Service")), HEALTHY, ""),
        (judged(live("Service", {"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})), HEALTHY, ""),
        (judged(live("Service", {"type": "LoadBalancer"})), WAITING, "Service/x: no external address yet"),
        (judged(live("Service", {"type": "LoadBalancer"}), events=(event("SyncLoadBalancerFailed", "no quota"),), stalled_s=20), WAITING,
         "Service/x: no external address: no quota"),
        (judged(live("Service", {"type": "LoadBalancer"}), events=(event("EnsuringLoadBalancer", "Ensuring"),), stalled_s=20), WAITING,
         "Service/x: no external address yet"),
        (judged(live("HTTPRoute"), stalled_s=0), WAITING, "HTTPRoute/x: no Gateway has taken it yet"),
        (judged(live("HTTPRoute", {}, {"parents": [condition("Accepted", "True")]})), HEALTHY, "HTTPRoute/x is accepted"),
        (judged(live("HTTPRoute", {}, {"parents": [condition("Accepted", "True"), condition("ResolvedRefs", "True")]}), stalled_s=0), WAITING,
         "HTTPRoute/x: not all of its parents have accepted it yet"),
        (judged(live("HTTPRoute", {}, {"parents": [condition("Accepted", "False", "NoMatchingParent", "no such listener")]})), WAITING,
         "HTTPRoute/x: Accepted is False: no such listener"),
        (judged(live("HTTPRoute", {}, {"parents": [condition("ResolvedRefs", "False", "BackendNotFound", "service y not found")]}), stalled_s=6), FAILED,
         "HTTPRoute/x: its parent says BackendNotFound: service y not found"),
        (judged(live("HTTPRoute", {}, {"parents": [of_generation(1, "Accepted", "True")]}), stalled_s=2), WAITING, "HTTPRoute/x: not yet observed by its parents"),
        (judged(live("HTTPRoute", {}, {"parents": [of_generation(1, "Accepted", "False", "NoMatchingParent")]}), stalled_s=2), WAITING,
         "HTTPRoute/x: not yet observed by its parents"),
        (judged(live("HTTPRoute", {}, {"parents": [of_generation(2, "Accepted", "True")]}), stalled_s=2), HEALTHY, "HTTPRoute/x is accepted"),
        (judged(live("CustomResourceDefinition")), WAITING, "CustomResourceDefinition/x: being installed"),
        (judged(live("CustomResourceDefinition", {}, condition("Established", "True"))), HEALTHY, "CustomResourceDefinition/x is established"),
        (judged(live("CustomResourceDefinition", {}, condition("NamesAccepted", "False", "PluralConflict", "taken"))), FAILED,
         "CustomResourceDefinition/x: its names are not accepted: taken"),
        (judged(live("APIService", {}, condition("Available", "False", "ServiceNotFound", "service y is not present"))), WAITING,
         "APIService/x: not available: service y is not present"),
        (judged(live("APIService", {}, condition("Available", "True"))), HEALTHY, "APIService/x is available"),
        (judged(live("Database", {}, {"observedGeneration": 1, **condition("Ready", "True")})), WAITING, "Database/x: not yet observed by its controller"),
        (judged(live("Database", {}, {"observedGeneration": 2, **condition("Ready", "True")})), HEALTHY, "Database/x is ready"),
        (judged(live("Database", {}, condition("Ready", "False", "Creating", "creating the volume"))), WAITING, "Database/x: not ready: creating the volume"),
        (judged(live("Database", {}, condition("Ready", "False", "Creating", "creating the volume")), stalled_s=31), WAITING, "Database/x: not ready: creating the volume"),
        (judged(live("Database", {}, condition("Reconciling", "True", "Creating"))), WAITING, "Database/x: being reconciled: Creating"),
        (judged(live("Database", {}, condition("Stalled", "True", "Broken", "no such class"))), FAILED, "Database/x: it can't go on: no such class"),
        (judged(live("Database")), HEALTHY, ""),
        (judged(live("Database", {}, {"conditions": "odd"})), HEALTHY, ""),
        (judged(live("PodDisruptionBudget", {}, {"observedGeneration": 1})), WAITING, "PodDisruptionBudget/x: not yet observed by its controller"),
    ],
)  # fmt: skip
def test_verdicts_by_kind(verdict: Verdict, state: State, reason: str) -> None:
    assert (verdict.state, verdict.reason) == (state, reason)


def test_a_pod_of_the_revision_before_that_starts_again_and_again_is_no_progress() -> None:
    found = live("StatefulSet", {"replicas": 1}, {"observedGeneration": 2, "updateRevision": "new"})
    waits, runs, ended = (judged(found, pod(state, **OLD)) for state in (EXITED, RUNS, CREATING))
    assert waits.progress == runs.progress == ended.progress and waits.hint == runs.hint != ""
    moved = judged(
        live("StatefulSet", {"replicas": 1}, {"observedGeneration": 2, "readyReplicas": 1}), pod(RUNS, **OLD)
    )
    assert moved.progress != waits.progress
    # One of the new revision that moves does.
    other = (judged(found, pod(state, **NEW)).progress for state in (RUNS, CREATING))
    assert len(set(other)) == 2


@pytest.mark.parametrize(
    ("verdict", "warning"),
    [
        (judged(live("Service", {"type": "LoadBalancer"}), stalled_s=6), "Service/x has no external address: is there a controller of load balancers in the cluster?"),
        (judged(live("Service", {"type": "LoadBalancer"}), events=(event("EnsuringLoadBalancer", "Ensuring"),), stalled_s=31), "Service/x has no external address"),
        (judged(live("Service", {"type": "LoadBalancer"}), changed=False, stalled_s=0), "Service/x has no external address"),
        (judged(live("HTTPRoute"), stalled_s=6), "HTTPRoute/x: no Gateway has taken it: is there a controller of its parentRefs?"),
        (judged(live("HTTPRoute", {}, {"parents": [{"conditions": []}]}), stalled_s=6), "HTTPRoute/x: not all of its parents have accepted it: is there a controller of its parentRefs?"),
        (judged(live("HTTPRoute", {}, {"parents": [of_generation(1, "Accepted", "True")]}), stalled_s=6), "HTTPRoute/x: not all of its parents have observed its last change"),
        (judged(live("HorizontalPodAutoscaler", {}, condition("AbleToScale", "False", "FailedGetScale", 'deployments.apps "y" not found'))),
         'HorizontalPodAutoscaler/x can\'t scale: deployments.apps "y" not found'),
        (judged(live("PodDisruptionBudget", {}, condition("DisruptionAllowed", "False", "SyncFailed", "no controllers"))), "PodDisruptionBudget/x protects no pods: no controllers"),
        (judged(live("CronJob", {"suspend": True})), "CronJob/x is suspended: it does not run"),
        (judged(live("Deployment", {"paused": True}, {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1, "replicas": 1})), "Deployment/x is paused"),
        (judged(live("DaemonSet", {}, {"observedGeneration": 2})), "DaemonSet/x has no pods: no node matches it"),
        (judged(live("StatefulSet", {"replicas": 3, "updateStrategy": {"type": "OnDelete"}, "template": {"spec": {"containers": [{"name": "web", "image": "a:2"}]}}},
                     STATEFUL), pod(RUNS, ready=True)), "StatefulSet/x: 1 pod of it runs another image until deleted, such as x-1"),
    ],
)  # fmt: skip
def test_what_is_healthy_with_a_warning(verdict: Verdict, warning: str) -> None:
    assert (verdict.state, verdict.warnings) == (HEALTHY, (warning,))


SET = live("StatefulSet", {"replicas": 1}, {"observedGeneration": 2})
UNPLACED = "0/1 nodes are available: {}. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
KILLED = {
    "restartCount": 1,
    "state": RUNS["state"],
    "lastState": {"terminated": {"exitCode": 137, "reason": "Error", "startedAt": APPLIED, "finishedAt": LATER}},
}
AS_ROOT = 'container has runAsNonRoot and image will run as root (pod: "x-1", container: web)'
NO_SECRET = 'MountVolume.SetUp failed for volume "v" : secret "absent" not found'
REFUSED = 'Back-off pulling image "a:1": ErrImagePull: failed to pull and unpack image "a:1": failed to resolve reference "a:1": failed to do request: Head "http://a": dial tcp: connection refused'


def unplaced(why: str) -> list[Object]:
    return [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": UNPLACED.format(why)}]


def claimed(why: str) -> Pod:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    return pod(conditions=unplaced(why), spec={"volumes": volumes})


def gated(message: str) -> Pod:
    row = {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": message}
    return pod(RUNS)._replace(conditions=pod(RUNS, conditions=[row]).conditions[1:])


def of_claim(reason: str, message: str) -> Happening:
    return event(reason, message, "claim", kind="PersistentVolumeClaim", name="data")


@pytest.mark.parametrize(
    ("verdict", "reason", "hint"),
    [
        (judged(SET, pod({**RUNS, "restartCount": 1, "lastState": {"terminated": {"exitCode": 0, "reason": "Completed"}}}), allowed=0, stalled_s=0), "", ""),
        (judged(SET, pod({"restartCount": 1, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}})), "x-1 ends with exit code 0 again and again", "kind: Job"),
        (judged(SET, pod({"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 0}}})),
         "x-1 ends with exit code 0 again and again", "kind: Job"),
        (judged(SET, pod({"state": {"terminated": {"exitCode": 0, "reason": "OOMKilled"}}})), "x-1 exited with 0 (OOMKilled)", "raise memory"),
        (judged(SET, pod({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": APPLIED, "finishedAt": LATER}}}),
                events=(event("Killing", "Container web failed liveness probe, will be restarted", "pod/web"),)), "x-1 exited with 137 (OOMKilled)", "raise memory"),
        (judged(SET, pod(KILLED), events=(event("Killing", "Container web failed startup probe, will be restarted", "pod/web"), event("Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 500", "pod/web"))),
         "x-1 was killed, because its startup probe failed: HTTP probe failed with statuscode: 500", "failureThreshold"),
        (judged(SET, pod(RUNS), events=(event("Killing", "Container web failed liveness probe, will be restarted", "pod/web"),)),
         "x-1 was killed, because its liveness probe failed", "timeoutSeconds"),
        (judged(SET, pod(RUNS), events=(event("Killing", "Container web failed liveness probe, will be restarted", "pod/web"),), allowed=1), "", ""),
        (judged(SET, pod(RUNS), events=(event("Killing", "Container web failed liveness probe, will be restarted", "pod/web", time=BEFORE),)), "", ""),
        (judged(SET, pod(KILLED)), "x-1 exited with 137 (Error)",
         "it was killed with SIGKILL. Possible causes: it used more memory than its limit, which is not always reported as OOMKilled; a failed liveness or startup probe; it was too slow to stop"),
        (judged(SET, pod({"state": {"terminated": {"exitCode": 128, "reason": "StartError", "message": 'exec: "/nope": no such file'}}})), "x-1 can't be started (StartError)", "command"),
        (judged(SET, pod(CREATING, init=({"name": "migrate", **EXITED},))), "init container migrate of x-1 exited with 3 (Error)", ""),
        (judged(SET, pod(RUNS, {"name": "proxy", **EXITED})), "proxy of x-1 exited with 3 (Error)", ""),
        (judged(SET, pod({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "absent" not found'}}})),
         'x-1 can\'t be configured: secret "absent" not found (CreateContainerConfigError)', "create what is missing"),
        (judged(SET, pod({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "absent" not found'}}}), others=(live("Database"),)), "", ""),
        (judged(SET, pod({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": AS_ROOT}}}), others=(live("Database"),)),
         "x-1 may not run as root (CreateContainerConfigError)", "USER 1000"),
        (judged(SET, pod(CREATING), events=(event("FailedMount", NO_SECRET, "pod", count=2),)), 'x-1 can\'t mount a volume: secret "absent" not found', "create what is missing"),
        (judged(SET, pod(CREATING), events=(event("FailedMount", NO_SECRET, "pod"),)), "", ""),
        (judged(SET, pod(CREATING), events=(event("FailedMount", NO_SECRET, "pod", count=2),), others=(live("Secret", name="absent"),)), "", ""),
        (judged(SET, pod({"state": {"waiting": {"reason": "ImagePullBackOff", "message": REFUSED}}}), events=(event("Failed", "Failed to pull image a", "pod/web", count=2),)),
         "x-1 can't pull its image, which was tried 2 times: Head \"http://a\": dial tcp: connection refused", "reach the registry"),
        (judged(SET, pod({"state": {"waiting": {"reason": "ImagePullBackOff", "message": REFUSED}}}), events=(event("Failed", "Failed to pull image a", "pod/web"),)), "", ""),
        (judged(SET, pod({"state": {"waiting": {"reason": "ImagePullBackOff", "message": REFUSED}}}), events=None), "x-1 can't pull its image (ImagePullBackOff)", "reach the registry"),
        (judged(SET, pod(conditions=unplaced("1 node(s) didn't have free ports for the requested pod ports"))),
         "x-1 can't be scheduled: 0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports", "hostPort"),
        (judged(SET, pod(conditions=unplaced("1 node(s) didn't have free ports for the requested pod ports")), stalled_s=0), "", ""),
        (judged(SET, pod(conditions=unplaced("1 node(s) didn't have free ports for the requested pod ports")), events=(event("TriggeredScaleUp", "pod triggered scale-up", "pod"),)), "", ""),
        (judged(SET, pod(conditions=unplaced("1 Insufficient cpu"))), "", ""),
        (judged(SET, claimed("pod has unbound immediate PersistentVolumeClaims"), events=(of_claim("FailedBinding", "no persistent volumes available for this claim and no storage class is set"),)),
         "x-1 waits for PersistentVolumeClaim/data: no persistent volumes available for this claim and no storage class is set", "storageClassName"),
        (judged(SET, claimed("pod has unbound immediate PersistentVolumeClaims"), events=(of_claim("ProvisioningFailed", 'storageclass.storage.k8s.io "gold" not found'),)),
         "x-1 waits for PersistentVolumeClaim/data: there is no StorageClass gold", "storageClassName"),
        (judged(SET, claimed("pod has unbound immediate PersistentVolumeClaims"), events=(of_claim("ExternalProvisioning", "waiting for a volume to be created"),)), "", ""),
        (judged(SET, claimed('persistentvolumeclaim "data" not found')), 'x-1 can\'t be scheduled: persistentvolumeclaim "data" not found', "create the PersistentVolumeClaim"),
    ],
)  # fmt: skip
def test_a_pod_that_will_not_become_ready_is_told_with_its_cause(verdict: Verdict, reason: str, hint: str) -> None:
    expected = (FAILED, f"StatefulSet/x: {reason}") if reason else (WAITING, verdict.reason)
    assert (verdict.state, verdict.reason) == expected
    assert hint in verdict.hint
    assert verdict.subject.startswith("pod:prod/x-1/"), "its logs and events are read"


@pytest.mark.parametrize(
    ("found", "said", "patience_s"),
    [
        (health(SET, pod(RUNS)), "not ready", 0),
        (health(SET, pod(RUNS), events=(event("Unhealthy", "Readiness probe failed: 503", "pod/web"),)), "Readiness probe failed: 503", 0),
        (health(SET, gated('pod readiness gate "lb" is False')), 'pod readiness gate "lb" is False', 0),
        (health(SET, pod(CREATING)), "ContainerCreating", 0),
        (health(SET, pod(CREATING), events=(event("Pulling", 'Pulling image "a:1"', "pod/web"),)), 'pulling image "a:1"', math.inf),
        (health(SET, pod(CREATING), events=(event("Pulling", "Pulling", "pod/web"), event("Failed", "Failed to pull image", "pod/web", time="2026-01-31T12:00:06Z"))), "ContainerCreating", 0),
        (health(SET, pod(CREATING), events=(event("FailedMount", "no such disk", "pod"),)), "FailedMount: no such disk", 0),
        (health(SET, pod({"state": {"waiting": {"reason": "PodInitializing"}}}, init=({"name": "migrate", **RUNS},))), "init container migrate is running", math.inf),
        (health(SET, pod(conditions=unplaced("1 Insufficient cpu"))), "can't be scheduled: 0/1 nodes are available: 1 Insufficient cpu", 0),
        (health(SET, pod(conditions=unplaced("1 Insufficient cpu")), events=(event("TriggeredScaleUp", "scale-up", "pod"),)),
         "waits for a new node: 0/1 nodes are available: 1 Insufficient cpu", math.inf),
        (health(SET, claimed("pod has unbound immediate PersistentVolumeClaims"), events=(of_claim("Provisioning", "External provisioner is provisioning volume"),)),
         "can't be scheduled: PersistentVolumeClaim/data: External provisioner is provisioning volume", math.inf),
        (health(SET, pod({"state": {"waiting": {"reason": "ErrImagePull", "message": REFUSED}}}), events=()), 'ErrImagePull: Head "http://a": dial tcp: connection refused', 0),
    ],
)  # fmt: skip
def test_what_is_waited_for_is_said_and_extends_pending_where_something_works_on_it(
    found: Health, said: str, patience_s: float
) -> None:
    assert found.verdict.state is WAITING
    assert found.verdict.reason == f"StatefulSet/x: 0 of 1 updated, 0 of 1 ready ({said})"
    assert found.patience_s == patience_s


@pytest.mark.parametrize(
    ("why", "hint"),
    [
        ("1 Insufficient memory", "ask for less cpu or memory"),
        ("1 node(s) didn't match Pod's node affinity/selector", "label a node"),
        ("1 node(s) had untolerated taint(s)", "add a toleration"),
        ("1 node(s) had untolerated taint {dedicated: db}", "add a toleration"),
        ("1 node(s) didn't match pod anti-affinity rules", "podAntiAffinity"),
        ("something new", ""),
    ],
)
def test_a_pod_without_a_node_has_a_hint(why: str, hint: str) -> None:
    verdict = judged(SET, pod(conditions=unplaced(why)))
    assert verdict.state is WAITING and hint in verdict.hint and bool(hint) == bool(verdict.hint)


def test_status_shows_a_container_without_memory_whose_first_process_ended_with_0() -> None:
    out = {"state": {"terminated": {"exitCode": 0, "reason": "OOMKilled"}}}
    [unit] = describe_objects(KubernetesObserved({"StatefulSet/x": SET}, (pod(out),)))
    assert unit.error == "x-1: web exited with 0 (OOMKilled)"


def test_an_event_that_repeats_is_no_progress() -> None:
    told = [event("Unhealthy", f"Readiness probe failed: {number}", "pod/web", count=number) for number in (1, 2)]
    assert len({judged(SET, pod(RUNS), events=(row,)).progress for row in told}) == 1
    waits = [
        {"state": {"waiting": {"reason": reason, "message": REFUSED}}}
        for reason in ("ErrImagePull", "ImagePullBackOff")
    ]
    assert len({judged(SET, pod(row)).progress for row in waits}) == 1


def test_a_broken_pod_of_the_revision_before_is_named_with_what_to_do() -> None:
    found = live("StatefulSet", {"replicas": 1}, {"observedGeneration": 2, "updateRevision": "new"})
    verdict = judged(found, pod(EXITED, **OLD))
    assert verdict.state is WAITING, "it is not what this deploy applied"
    assert verdict.hint.endswith("has to be ready first: kubectl -n prod delete pod x-1")


def test_pods_behind_a_custom_resource_are_found_through_its_replica_set() -> None:
    part = {"name": "rs", "uid": "rs", "ownerReferences": [{"uid": "own"}]}
    rollout = live("Database", {}, condition("Ready", "False", "Progressing"))
    found = health(
        rollout, pod(RUNS, owner="rs"), pod(RUNS, owner="other"), sets=(parse_meta(Field(part, "GET test")),)
    )
    assert [row.meta.owners for row in found.pods] == [frozenset({"rs"})]


def test_a_claim_that_waits_for_its_first_consumer_is_healthy_until_a_pod_uses_it() -> None:
    claim = live("PersistentVolumeClaim", {}, {"phase": "Pending"}, name="data")
    waits = of_claim("WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    assert judged(claim, events=(waits,)).state is HEALTHY
    assert judged(claim, claimed("1 Insufficient cpu"), events=(waits,)).state is WAITING
    failed = judged(
        claim, events=(waits, of_claim("ProvisioningFailed", 'storageclass.storage.k8s.io "gold" not found'))
    )
    assert (failed.state, failed.reason) == (FAILED, "PersistentVolumeClaim/x: there is no StorageClass gold")
    volume = live("PersistentVolume", {}, {"phase": "Available"}, name="disk")
    assert (
        judged(claim, events=(of_claim("FailedBinding", "no storage class is set"),), others=(volume,)).state is WAITING
    )


JOB: Object = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "x"},
    "spec": {"ttlSecondsAfterFinished": 0},
}


@pytest.mark.parametrize(
    ("events", "state", "reason"),
    [
        ((event("Completed", "Job completed", kind="Job", type="Normal"),), HEALTHY, "Job/x succeeded"),
        ((event("BackoffLimitExceeded", "Job has reached the specified backoff limit", kind="Job"),), FAILED,
         "Job/x failed, and is deleted: Job has reached the specified backoff limit"),
        ((event("Completed", "Job completed", "another", kind="Job", type="Normal"),), WAITING, "Job/x is gone, and no event says how it ended"),
        (None, WAITING, "Job/x is gone, and no event says how it ended"),
    ],
)  # fmt: skip
def test_a_job_that_the_cluster_deletes_when_it_is_done(
    events: tuple[Happening, ...] | None, state: State, reason: str
) -> None:
    released = Released({"Job/x": JOB}, uids={"Job/x": "own"})
    verdict = judge_kubernetes(
        released, KubernetesObserved({"Job/x": None}, events=events), Seen(9, 0, 9), Limits(0, 30)
    )
    assert (verdict.state, verdict.reason) == (state, reason)


def test_a_job_that_is_gone_and_was_to_stay_is_a_failure() -> None:
    kept = {**JOB, "spec": {}}
    released = Released({"Job/x": kept}, uids={"Job/x": "own"})
    verdict = judge_kubernetes(released, KubernetesObserved({"Job/x": None}), Seen(9, 0, 9), Limits(0, 30))
    assert (verdict.state, verdict.reason) == (FAILED, "Job/x is gone")


@pytest.mark.parametrize(
    ("spec", "classes", "warning"),
    [
        ({"ingressClassName": "nginx"}, {"nginx": False}, ""),
        ({"ingressClassName": "nginx"}, {"traefik": True}, "Ingress/x: there is no IngressClass nginx, so nothing serves it; the cluster has traefik"),
        ({"ingressClassName": "nginx"}, {}, "Ingress/x: there is no IngressClass nginx, so nothing serves it; the cluster has none"),
        ({}, {"traefik": True}, ""),
        ({}, {"traefik": False}, "Ingress/x: it has no ingressClassName, and no IngressClass is the default: nothing may serve it"),
    ],
)  # fmt: skip
def test_an_ingress_whose_class_does_not_exist_is_warned_of(
    spec: Object, classes: dict[str, bool], warning: str
) -> None:
    manifest = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "x"}, "spec": spec}
    found = list(class_warnings({key_of(manifest, "prod"): manifest}, classes))
    assert found == ([warning] if warning else [])


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        (None, True),
        (live("Deployment", {}, {"observedGeneration": 2, "updatedReplicas": 1, "readyReplicas": 1}), False),
        (live("Deployment", {}, {"observedGeneration": 1, "updatedReplicas": 1, "readyReplicas": 1}), True),
        (live("ReplicaSet", {}, {"observedGeneration": 2, "readyReplicas": 1}), False),
        (live("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, {"observedGeneration": 2, "readyReplicas": 1}), False),
        (live("StatefulSet", {}, {"observedGeneration": 2, "readyReplicas": 1}), True),
        (live("Job"), True),
        (live("Job", {}, condition("Complete", "True")), False),
        (live("PersistentVolumeClaim", {}, {"phase": "Pending"}), True),
        (live("Service", {"type": "LoadBalancer"}), True),
        (live("ConfigMap"), False),
    ],
)  # fmt: skip
def test_events_are_read_only_while_something_is_not_ready(found: Live | None, needed: bool) -> None:
    assert needs_events([live("ConfigMap"), found], is_applied=True) is needed
    assert needs_events([found], is_applied=False) is (needed and found is not None)


OWNED = Meta("x-1", uid="rs", owners=frozenset(["own"]))
OF_SET: Any = {"owner": "rs"}
BARE = live("Deployment")._replace(kind="Pod", pod=pod(RUNS, ready=True))
NOT_OURS: Any = {"managedFields": []}


@pytest.mark.parametrize(
    ("before", "now", "pods", "said"),
    [
        (live("Deployment"), live("Deployment"), (pod(EXITED, **OF_SET),), "Deployment/x is DOWN: no pod is ready"),
        (live("StatefulSet"), live("StatefulSet"), (), "StatefulSet/x is DOWN: no pod is ready"),
        (live("Deployment", **NOT_OURS), live("Deployment"), (), "Deployment/x is DOWN: no pod is ready"),
        (live("Deployment"), live("Deployment"), (pod(RUNS, ready=True, **OF_SET), pod(EXITED, name="x-2", **OF_SET)), ""),
        (live("Deployment"), live("Deployment", status={"readyReplicas": 1}), (), ""),
        (live("Deployment"), live("Deployment", {"replicas": 0}), (), ""),
        (live("DaemonSet"), live("DaemonSet", status={"desiredNumberScheduled": 0}), (), ""),
        (None, live("Deployment"), (), ""),
        (live("Deployment"), None, (), ""),
        (live("Database"), live("Database"), (), ""),
        (BARE, BARE._replace(pod=pod(EXITED)), (), "Pod/x is DOWN: no pod is ready"),
        (BARE, BARE, (), ""),
        (BARE, BARE._replace(pod=pod(EXITED)._replace(phase="Succeeded")), (), ""),
    ],
    ids=["pods that crash", "no pods", "not ours before", "an earlier pod serves", "a pod that was not read", "scaled to 0", "no node",
         "a new workload", "gone", "no workload", "a bare Pod that crashes", "a bare Pod that is ready", "a bare Pod that is done"],
)  # fmt: skip
def test_a_failure_that_leaves_no_ready_pod_says_down(
    before: Live | None, now: Live | None, pods: tuple[Pod, ...], said: str
) -> None:
    key = f"{(before or now or live('Deployment')).kind}/x"
    observed = KubernetesObserved({key: now}, pods, (OWNED,))
    assert outage([key], observed, KubernetesObserved({key: before})) == said
    assert outage([key], observed, None) == ""
