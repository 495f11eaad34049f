"""Every verdict, provoked on the real cluster: a table of manifests, side by side, each in a namespace of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.events import Event, PlanMade, StepApplied, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.rehearsal.server import Request, Response, StrictServer
from shipit.release import Verdict
from tests import runs
from tests.servers.cluster import PAUSE, Cluster
from tests.servers.registry import RegistryServer

pytestmark = [pytest.mark.registry, pytest.mark.cluster]

Object = dict[str, Any]
TEXT = "app: shop\ntargets:\n  k8s: {namespace: NAMESPACE, settle: SETTLE, timeout: 240s, pending: PENDING, manifests: [objects.json]}\n"
# A cluster that runs all of them at once is slow: what one takes alone is a second or two.
WITHIN_S = 120.0
SIDE_BY_SIDE = 6


def shell(command: str, **more: Any) -> Object:
    return {
        "name": "web",
        "image": PAUSE,
        "imagePullPolicy": "Never",
        "command": ["/busybox", "sh", "-c", command],
        **more,
    }


RUNS = shell("/busybox sleep 3600")
NO = {
    "exec": {"command": ["/busybox", "sh", "-c", "/busybox echo not yet; exit 1"]},
    "periodSeconds": 1,
    "failureThreshold": 1,
}
YES = {"exec": {"command": ["/busybox", "true"]}, "periodSeconds": 1}


def workload(
    *containers: Object, kind: str = "Deployment", name: str = "web", spec: Object | None = None, **pod: Any
) -> Object:
    """A workload of one pod. `pod` are fields of its spec, `spec` those of the workload."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": list(containers), "terminationGracePeriodSeconds": 0, **pod},
    }
    own: Object = {
        "selector": {"matchLabels": labels},
        "template": template,
        **({} if kind == "DaemonSet" else {"replicas": 1}),
    }
    if kind == "ReplicationController":
        own["selector"] = labels
    if kind == "StatefulSet":
        own["serviceName"] = name
    version = "v1" if kind == "ReplicationController" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": {**own, **(spec or {})}}


def job(command: str, restart: str = "Never", **spec: Any) -> Object:
    template = {"spec": {"restartPolicy": restart, "containers": [shell(command)], **spec.pop("pod", {})}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "work"},
        "spec": {"template": template, **spec},
    }


def claim(**spec: Any) -> Object:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": wanted}


def volume(source: Object) -> Object:
    return {"volumes": [{"name": "v", **source}]}


MOUNTS = {**RUNS, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
OF_CLAIM = volume({"persistentVolumeClaim": {"claimName": "data"}})
WIDGET: Object = {"apiVersion": "verdicts.shipit.test/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {}}
BALANCER: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "web"}}}  # fmt: skip
INGRESS: Object = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
                   "spec": {"ingressClassName": "absent", "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}}  # fmt: skip
BUDGET: Object = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
                  "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}  # fmt: skip
QUOTA: Object = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "small"},
    "spec": {"hard": {"pods": "0"}},
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Objects to deploy, and what the verdict on them says.

    `deploys` come one after the other, and the last one is judged. `before` is there already, and `status` is what a controller
    writes into the Widget when it is applied. REGISTRY and NAMESPACE are filled in.
    """

    deploys: Sequence[Sequence[Object]]
    words: str
    code: int = 1
    hint: str = ""
    log: str = ""
    warning: str = ""
    before: Sequence[Object] = ()
    status: Object = field(default_factory=dict)
    pending: str = "40s"
    settle: str = "0s"


def fails(*objects: Object, words: str, **more: Any) -> Case:
    return Case(deploys=(objects,), words=words, **more)


def works(*objects: Object, words: str, **more: Any) -> Case:
    return Case(deploys=(objects,), words=words, code=0, **more)


def pulls(image: str) -> Object:
    return workload({**RUNS, "image": image, "imagePullPolicy": "Always"})


LAST = "the lines above are the last it wrote"
# Longer than a loaded node and its controllers take to tell of the reason.
BRIEF: Any = {"pending": "10s"}
# A reason to wait lasts longer than pending, which is longer than a slow node takes between two signs of progress.
SLOW: Any = {"pending": "20s"}
CASES: Mapping[str, Case] = {
    "crash": fails(workload(shell("/busybox echo boom; exit 3")), words="exited with 3 (Error)", hint=LAST, log="boom", settle="5s"),
    "restart": Case(
        deploys=[[workload(RUNS)], [workload(shell("/busybox echo of this run; exit 4"))]], words="exited with 4 (Error)", log="of this run", settle="5s"
    ),
    "ends-with-0": fails(workload(shell("/busybox echo done")), words="ends with exit code 0 again and again", hint="kind: Job", log="done", settle="15s"),
    "memory": fails(
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "greedy"},
            "spec": {"restartPolicy": "Never", "containers": [shell("exec /busybox dd if=/dev/zero of=/dev/null bs=300M count=1", resources={"limits": {"memory": "16Mi"}})]},
        },
        words="greedy exited with 137 (", hint="it used more memory than its limit", settle="5s",
    ),
    "startup-probe": fails(workload({**RUNS, "startupProbe": NO}), words="was killed, because its startup probe failed: not yet", hint="failureThreshold"),
    "liveness-probe": fails(
        workload({**RUNS, "livenessProbe": {**NO, "initialDelaySeconds": 2}}), words="was killed, because its liveness probe failed: not yet",
        hint="liveness probe", settle="30s",
    ),
    "command": fails(workload({**RUNS, "command": ["/nope"]}), words="can't be started (", hint="the command was not found", log="/nope"),
    "init": fails(
        workload(RUNS, initContainers=[shell("/busybox echo no database; exit 5", name="migrate")]), words="init container migrate of web-",
        log="no database",
    ),
    "sidecar": fails(workload(RUNS, shell("/busybox echo no upstream; exit 6", name="proxy")), words="proxy of web-", log="no upstream", settle="5s"),
    "image-gone": fails(pulls("REGISTRY/nothing/here:1"), words="the registry does not have it", hint="was it deleted"),
    "image-name": fails(pulls("localhost/NAME"), words="has an invalid image name", hint="correct the image's name"),
    "image-401": fails(pulls("REFUSING/401/app:1"), words="the registry refuses the login of the cluster, or wants one", hint="set pull_secret: true"),
    "image-403": fails(pulls("REFUSING/403/app:1"), words="the registry refuses the login of the cluster, or wants one", hint="set pull_secret: true"),
    "image-refused": fails(pulls("127.0.0.1:1/app:1"), words="which was tried 2 times", hint="reach the registry", log="connection refused"),
    "secret-of-env": fails(
        workload({**RUNS, "envFrom": [{"secretRef": {"name": "absent"}}]}), words='can\'t be configured: secret "absent" not found', hint="create what is missing"
    ),
    "secret-of-volume": fails(workload(MOUNTS, **volume({"secret": {"secretName": "absent"}})), words='secret "absent" not found', hint="create what is missing"),
    "map-of-volume": fails(workload(MOUNTS, **volume({"configMap": {"name": "absent"}})), words='configmap "absent" not found', hint="create what is missing"),
    "claim-gone": fails(workload(MOUNTS, **OF_CLAIM), words='persistentvolumeclaim "data" not found', hint="create the PersistentVolumeClaim"),
    "claim-without-class": fails(claim(), workload(MOUNTS, **OF_CLAIM), words="no storage class is set", hint="storageClassName"),
    "claim-of-unknown-class": fails(claim(storageClassName="gold"), words="there is no StorageClass gold", hint="storageClassName"),
    "claims-of-a-set": fails(
        workload(
            MOUNTS, kind="StatefulSet",
            spec={"volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}]},
        ),
        words="waits for PersistentVolumeClaim/v-web-0: no persistent volumes", hint="storageClassName",
    ),
    "host-port": fails(
        workload({**RUNS, "ports": [{"containerPort": 80, "hostPort": 31987}]}, spec={"replicas": 2}), words="didn't have free ports", hint="same hostPort"
    ),
    "cpu": fails(
        workload({**RUNS, "resources": {"requests": {"cpu": "900"}}}), words="can't be scheduled: 0/1 nodes are available: 1 Insufficient cpu", hint="ask for less cpu",
        **BRIEF,
    ),
    "node": fails(workload(RUNS, nodeSelector={"disk": "none"}), words="didn't match Pod's node affinity/selector", hint="label a node", **BRIEF),
    "readiness": fails(workload({**RUNS, "readinessProbe": NO}), words="Readiness probe failed: not yet", **BRIEF),
    "account": fails(workload(RUNS, serviceAccountName="absent"), words='serviceaccount "absent" not found', hint="create the ServiceAccount"),
    "account-of-a-stateful-set": fails(
        workload(RUNS, kind="StatefulSet", serviceAccountName="absent"), words='serviceaccount "absent" not found', hint="create the ServiceAccount"
    ),
    "account-of-a-daemon-set": fails(
        workload(RUNS, kind="DaemonSet", serviceAccountName="absent"), words='serviceaccount "absent" not found', hint="create the ServiceAccount"
    ),
    "account-of-a-job": fails(job("true", pod={"serviceAccountName": "absent"}), words='serviceaccount "absent" not found', hint="create the ServiceAccount"),
    "quota": fails(workload(RUNS), words="exceeded quota: small", hint="raise the ResourceQuota", before=[QUOTA]),
    "webhook": fails(workload(RUNS), words='failed calling webhook "pods.shipit.test"', hint="gives no answer"),
    "paused": fails(workload(RUNS, spec={"paused": True}), words="it is paused: 0 of 1 updated", hint="kubectl rollout resume -n NAMESPACE deployment/web"),
    "job": fails(job("/busybox echo broken; exit 5", backoffLimit=0), words="exited with 5 (Error)", hint=LAST, log="broken"),
    "job-that-restarts": fails(job("/busybox echo broken; exit 5", "OnFailure", backoffLimit=1), words="Job/work failed"),
    "job-that-is-late": fails(job("/busybox sleep 60", activeDeadlineSeconds=2), words="job was active longer than specified deadline"),
    "job-gone-after-failure": fails(job("exit 5", backoffLimit=0, ttlSecondsAfterFinished=0), words="Job/work failed"),
    "pod": fails(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lone"}, "spec": {"restartPolicy": "Never", "containers": [shell("/busybox echo alone; exit 7")]}},
        words="lone exited with 7", log="alone", settle="5s",
    ),
    "another-namespace": fails(
        {**workload(shell("/busybox echo elsewhere; exit 8"), name="far"), "metadata": {"name": "far", "namespace": "NAMESPACE-far"}}, words="far-", log="elsewhere", settle="5s",
        before=[{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "NAMESPACE-far"}}],
    ),
    "set-of-replicas": fails(workload(shell("exit 3"), kind="ReplicaSet"), words="ReplicaSet/web: web-", settle="5s"),
    "stalled": fails(WIDGET, words="Widget.verdicts.shipit.test/one: it can't go on: no such class", status={"conditions": [{"type": "Stalled", "status": "True", "message": "no such class"}]}),
    "not-ready": fails(
        WIDGET, words="Widget.verdicts.shipit.test/one: not ready: it boils", status={"conditions": [{"type": "Ready", "status": "False", "message": "it boils"}]}, **BRIEF
    ),
    "custom": works(WIDGET, words="Widget.verdicts.shipit.test/one is ready", status={"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}),
    "job-gone-after-success": works(job("true", ttlSecondsAfterFinished=0), words="Job/work succeeded"),
    "job-that-tries-again": works(
        job(
            "", "OnFailure",
            pod={"containers": [{**shell("/busybox ls /v/there || { /busybox touch /v/there; exit 1; }"), "volumeMounts": MOUNTS["volumeMounts"]}], **volume({"emptyDir": {}})},
        ),
        words="Job/work succeeded",
    ),
    "slow-job": works(job("/busybox sleep 23"), words="Job/work succeeded", **SLOW),
    "slow-init": works(workload(RUNS, initContainers=[shell("/busybox sleep 23", name="migrate")]), words="Deployment/web 1/1 ready", **SLOW),
    "slow-probe": works(workload({**RUNS, "readinessProbe": {**YES, "initialDelaySeconds": 23}}), words="Deployment/web 1/1 ready", **SLOW),
    "slow-start": works(
        workload({**shell("/busybox sleep 23; /busybox touch /up; /busybox sleep 3600"), "startupProbe": {"exec": {"command": ["/busybox", "ls", "/up"]}, "periodSeconds": 1, "failureThreshold": 60}}),
        words="Deployment/web 1/1 ready", **SLOW,
    ),
    "least-ready": works(workload(RUNS, spec={"minReadySeconds": 23}), words="Deployment/web 1/1 ready", **SLOW),
    "controller": works(workload(RUNS, kind="ReplicationController"), words="ReplicationController/web 1/1 ready"),
    "replaced-on-delete": Case(
        deploys=[[workload(RUNS, kind="StatefulSet", spec={"updateStrategy": {"type": "OnDelete"}})], [workload({**RUNS, "image": f"docker.io/{PAUSE}"}, kind="StatefulSet", spec={"updateStrategy": {"type": "OnDelete"}})]],
        words="StatefulSet/web 1/1 ready", code=0, warning="1 pod of it runs another image until deleted, such as web-0",
    ),
    "partition": Case(
        deploys=[[workload(RUNS, kind="StatefulSet", spec={"replicas": 2})], [workload(shell("/busybox sleep 3601"), kind="StatefulSet", spec={"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}})]],
        words="StatefulSet/web 2/2 ready", code=0,
    ),
    "mended": Case(
        deploys=[[workload(shell("exit 3"), kind="DaemonSet")], [workload(RUNS, kind="DaemonSet")]], words="DaemonSet/web 1/1 ready", code=0, settle="2s"
    ),
    "held-up-by-the-release-before": Case(
        # A pod that ran for a moment would count as ready, and be replaced.
        deploys=[[workload({**RUNS, "command": ["/nope"]}, kind="StatefulSet")], [workload(RUNS, kind="StatefulSet")]],
        words="StatefulSet/web: 0 of 1 updated, 0 of 1 ready", hint="web-0 is of the revision before, and has to be ready first: kubectl -n NAMESPACE delete pod web-0",
        settle="5s", pending="15s",
    ),
    "schedule": works(
        {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": {"suspend": True, "schedule": "0 3 * * *", "jobTemplate": {"spec": job("true")["spec"]}}},
        words="applied", warning="CronJob/nightly is suspended",
    ),
    "balancer": works(workload(RUNS), BALANCER, words="Deployment/web 1/1 ready", warning="Service/web has no external address: is there a controller"),
    "ingress": works(workload(RUNS), BALANCER | {"spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}}, INGRESS, words="Deployment/web 1/1 ready", warning="there is no IngressClass absent"),
    "budget": works(workload(RUNS), BUDGET, words="Deployment/web 1/1 ready"),
    "neighbour": works(workload(RUNS), words="Deployment/web 1/1 ready", before=[{**workload(shell("exit 3"), name="web"), "metadata": {"name": "neighbour"}}], settle="2s"),
}  # fmt: skip


class Refusing(StrictServer):
    """A registry that answers the status that a repository begins with."""

    def __init__(self) -> None:
        super().__init__()
        for status in (401, 403):
            self.route("GET", rf"/v2/{status}/.*", partial(self._refuse, status))
            self.route("HEAD", rf"/v2/{status}/.*", partial(self._refuse, status))

    def _refuse(self, status: int, request: Request) -> Response:
        return Response(status, b"", {"WWW-Authenticate": 'Basic realm="r"'} if status == 401 else {})


class Outcome:
    """What a deploy came to: exit code, verdict, warnings, and the seconds from the last object applied to the end."""

    def __init__(self) -> None:
        self.code, self.plan_notes, self.took_s = -1, "", 0.0
        self.finished: TargetFinished | None = None
        self._applied_s = 0.0

    @property
    def verdict(self) -> Verdict:
        assert self.finished is not None
        return self.finished.verdict

    def note(self, event: Event) -> None:
        if isinstance(event, StepApplied):
            self._applied_s = time.monotonic()
        elif isinstance(event, PlanMade):
            self.plan_notes = "; ".join(note for target in event.plan.targets for note in target.notes)
        elif isinstance(event, TargetFinished):
            self.finished, self.took_s = event, time.monotonic() - self._applied_s


@dataclass(frozen=True)
class Deployer:
    """Deploys cases to a cluster, each from a folder of its own. `refusing` is a registry that lets nobody pull."""

    folder: Path
    cluster: Cluster
    registry: str
    refusing: str = ""

    def outcome(self, name: str) -> Outcome:
        case, namespace = CASES[name], f"verdict-{name}"
        self.cluster.kubectl("create", "namespace", namespace)
        if name == "webhook":
            self._apply(namespace, _webhook(namespace))
        self._apply(namespace, *case.before)
        found = Outcome()
        for objects in case.deploys:
            found = self._deploy(namespace, case, objects)
        return found

    def _apply(self, namespace: str, *objects: Object) -> None:
        if objects:
            self.cluster.kubectl("-n", namespace, "apply", "-f", "-", data=self._filled(namespace, objects))

    def _filled(self, namespace: str, objects: Sequence[Object]) -> str:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return (
            text.replace("REGISTRY", self.registry).replace("REFUSING", self.refusing).replace("NAMESPACE", namespace)
        )

    def _deploy(self, namespace: str, case: Case, objects: Sequence[Object]) -> Outcome:
        place = self.folder / namespace
        place.mkdir(parents=True, exist_ok=True)
        (place / "objects.json").write_text(self._filled(namespace, objects))
        text = TEXT.replace("NAMESPACE", namespace).replace("SETTLE", case.settle).replace("PENDING", case.pending)
        own = runs.environment(place, KUBECONFIG=str(self.cluster.kubeconfig))
        found, events = Outcome(), list[Event]()
        run = runs.run(runs.project(place, text, own), own, events, clock=Clock())

        def react(event: Event) -> None:
            if isinstance(event, StepApplied) and case.status:
                change = json.dumps({"status": case.status})
                self.cluster.kubectl(
                    "-n", namespace, "patch", "widget/one", "--subresource=status", "--type=merge", "-p", change
                )
            found.note(event)

        runs.react(run, react)
        found.code = deploy(run)
        return found


def _webhook(namespace: str) -> Object:
    """A webhook for the pods of one namespace, which nothing serves."""
    hook = {
        "name": "pods.shipit.test", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
        "clientConfig": {"service": {"name": "absent", "namespace": namespace, "path": "/"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
    }  # fmt: skip
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    return {**head, "metadata": {"name": "verdicts.shipit.test"}, "webhooks": [hook]}


def _definition() -> Object:
    version = {
        "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }  # fmt: skip
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget"}
    spec = {"group": "verdicts.shipit.test", "scope": "Namespaced", "names": names, "versions": [version]}
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**head, "metadata": {"name": "widgets.verdicts.shipit.test"}, "spec": spec}


@pytest.fixture(scope="module")
def outcomes(
    cluster: Cluster,
    registry_server: RegistryServer,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Mapping[str, Outcome]]:
    """What each of the selected cases came to. They are deployed side by side."""
    named = (
        item.callspec.params["name"]
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    )
    names = list(dict.fromkeys(named))
    deployer = Deployer(tmp_path_factory.mktemp("verdicts"), cluster, registry_server.host)
    cluster.kubectl("apply", "-f", "-", data=json.dumps(_definition()))
    cluster.kubectl("wait", "--for=condition=Established", "crd/widgets.verdicts.shipit.test", "--timeout=240s")
    with Refusing() as refusing, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        deployer = replace(deployer, refusing=refusing.host)
        # All of them end here: the runs of a test are closed when it is over.
        found = dict(zip(names, pool.map(deployer.outcome, names), strict=True))
    yield found
    cluster.kubectl("delete", "validatingwebhookconfiguration", "verdicts.shipit.test", "--ignore-not-found")
    cluster.kubectl("delete", "crd", "widgets.verdicts.shipit.test", "--ignore-not-found", "--wait=false")
    spaces = cluster.kubectl("get", "namespaces", "-o", "name").split()
    used = [space for space in spaces if space.startswith("namespace/verdict-")]
    cluster.kubectl("delete", "--wait=false", *used)


@pytest.mark.parametrize("name", CASES)
def test_a_verdict(name: str, outcomes: Mapping[str, Outcome]) -> None:
    case, found = CASES[name], outcomes[name]
    verdict = found.verdict
    print(f"{name}: {found.took_s:.1f} s: {verdict.reason}")
    assert (found.code, case.words in verdict.reason) == (case.code, True), verdict
    assert case.hint.replace("NAMESPACE", f"verdict-{name}") in verdict.hint, verdict
    assert any(case.log in line for line in ("", *verdict.detail)), verdict
    assert not any("unable to retrieve" in line for line in verdict.detail), verdict
    assert case.warning in "; ".join((found.plan_notes, *verdict.warnings)), verdict
    assert found.took_s < WITHIN_S


@pytest.mark.parametrize("name", ["memory"])
def test_a_container_without_memory_is_named_as_the_node_reports_it(
    name: str, outcomes: Mapping[str, Outcome], cluster: Cluster
) -> None:
    """containerd takes the kernel's event and the exit in any order, and the node reports OOMKilled or Error."""
    verdict = outcomes[name].verdict
    path = "jsonpath={.status.containerStatuses[0].state.terminated.reason}"
    reported = cluster.kubectl("-n", "verdict-memory", "get", "pod", "greedy", "-o", path)
    is_named = "(OOMKilled)" in verdict.reason
    assert is_named or ("(Error)" in verdict.reason and "killed with SIGKILL. Possible causes:" in verdict.hint), (
        verdict
    )
    assert verdict.hint == "it used more memory than its limit: raise memory:" or not is_named, verdict
    assert reported == "OOMKilled" or not is_named, (reported, verdict)
