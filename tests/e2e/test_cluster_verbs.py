"""Scaling and restarting on the real cluster, with the real kubectl beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shipit.clock import Clock
from tests.servers.cluster import PAUSE, Cluster, namespace_of
from tests.shipit import Shipit

pytestmark = pytest.mark.cluster

TEXT = "app: shop\ntargets:\n  k8s: {namespace: NAMESPACE, settle: 0s, timeout: 240s, manifests: [objects.json]}\n"
Object = dict[str, Any]


def controller(name: str, kind: str = "Deployment", **spec: Any) -> Object:
    container = {"name": "web", "image": PAUSE, "imagePullPolicy": "Never"}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    whole = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": whole}


class Place:
    """A namespace with what the manifests of a project say."""

    def __init__(self, shipit: Shipit, cluster: Cluster, namespace: str) -> None:
        self.shipit, self.cluster, self.namespace = shipit, cluster, namespace
        cluster.kubectl("create", "namespace", namespace)
        shipit.env |= {"KUBECONFIG": str(cluster.kubeconfig)}
        shipit.write(deploy__yml=TEXT.replace("NAMESPACE", namespace))

    def deploy(self, *objects: Object) -> None:
        self.shipit.write(objects__json=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        done = self.shipit.run("deploy")
        assert done.returncode == 0, done.stdout + done.stderr

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def pods(self) -> set[str]:
        """The uids of the pods that are not being deleted."""
        rows = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return {row["metadata"]["uid"] for row in rows if "deletionTimestamp" not in row["metadata"]}

    def replicas(self, thing: str = "deployment/web") -> int:
        return int(self.kubectl("get", thing, "-o", "jsonpath={.spec.replicas}"))


@pytest.fixture
def place(shipit: Shipit, cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Place]:
    name = namespace_of(request.node)
    yield Place(shipit, cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def test_a_deployment_is_scaled_until_its_pods_are_ready_and_the_next_deploy_sets_it_back(place: Place) -> None:
    place.deploy(controller("web", replicas=1))
    done = place.shipit.run("scale", "k8s/web=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scale Deployment/web" in done.stderr and "1 -> 3 replicas" in done.stderr
    assert "deploy.yml says 1 for web: the next deploy sets it back" in done.stderr
    assert place.replicas() == 3 and len(place.pods()) == 3
    assert place.kubectl("get", "deployment/web", "-o", "jsonpath={.status.readyReplicas}") == "3"
    again = place.shipit.run("scale", "k8s=3")
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout
    planned = place.shipit.run("plan")
    assert "replicas" in planned.stdout and "shipit-scale" in planned.stdout, planned.stdout
    place.deploy(controller("web", replicas=1))
    assert place.replicas() == 1


def test_what_an_autoscaler_sets_is_not_scaled(place: Place) -> None:
    place.deploy(controller("web"), controller("set", "StatefulSet", serviceName="set"))
    place.kubectl("autoscale", "deployment/web", "--min=1", "--max=2", "--cpu-percent=80")
    refused = place.shipit.run("scale", "k8s/web=5")
    assert refused.returncode == 1
    assert (
        "HorizontalPodAutoscaler/web sets the number of replicas of Deployment/web" in refused.stdout + refused.stderr
    )
    assert place.replicas() == 1
    other = place.shipit.run("scale", "k8s/set=2")
    assert other.returncode == 0, other.stdout + other.stderr
    assert place.replicas("statefulset/set") == 2


def test_a_scale_that_somebody_else_replaces_is_a_failure(place: Place) -> None:
    # Its pods are never ready, so that there is time to replace the number.
    probe = {"exec": {"command": ["/busybox", "false"]}, "periodSeconds": 1}
    web = controller("web", replicas=0)
    web["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = probe
    place.deploy(web)
    running = place.shipit.start("scale", "k8s/web=2")
    _wait(lambda: place.replicas() == 2)
    place.kubectl("scale", "deployment/web", "--replicas=1")
    told, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "superseded by kubectl" in told + errors and "it is scaled to 1, not 2" in told + errors


def test_a_restart_replaces_every_pod_and_changes_nothing_for_the_next_deploy(place: Place) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "once", "image": PAUSE, "imagePullPolicy": "Never", "command": ["/busybox", "true"]}],
        }}},
    }  # fmt: skip
    daemons = controller("daemons", "DaemonSet")
    place.deploy(controller("web", replicas=2), daemons, job)
    before = place.pods()
    done = place.shipit.run("restart")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "restart Deployment/web" in done.stderr and "restart DaemonSet/daemons" in done.stderr
    # Only the pod of the Job, which can't be restarted, is one of before.
    assert len(before & place.pods()) == 1
    assert place.shipit.run("plan", "--exit-code").returncode == 0
    refused = place.shipit.run("restart", "k8s/once")
    assert refused.returncode == 1
    assert "Job/once can't be restarted: only Deployment, StatefulSet, DaemonSet can" in refused.stderr


def test_urls_are_those_of_an_ingress_and_of_a_load_balancer_that_has_an_address(place: Place) -> None:
    web = controller("web", replicas=0)
    place.deploy(web)
    none = place.shipit.run("open")
    assert none.returncode == 1 and "there is no URL to open" in none.stderr, none.stderr
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "shop.example.com", "http": {"paths": [path]}}]},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    place.deploy(web, ingress, service)
    assert place.shipit.run("open").stdout == "http://shop.example.com/\n"
    # No controller of this cluster gives addresses.
    change = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}})
    place.kubectl("patch", "service/web", "--subresource=status", "--type=merge", "-p", change)
    assert sorted(place.shipit.run("open").stdout.split()) == ["http://203.0.113.7/", "http://shop.example.com/"]
    status = place.shipit.run("status")
    run = json.loads(place.kubectl("get", "deployment/web", "-o", "json"))["metadata"]["annotations"]["shipit.dev/run"]
    assert run in status.stdout and "http://203.0.113.7/" in status.stdout, status.stdout


def test_a_paused_deployment_is_not_restarted(place: Place) -> None:
    place.deploy(controller("web"))
    place.kubectl("rollout", "pause", "deployment/web")
    refused = place.shipit.run("restart", "k8s/web")
    assert refused.returncode == 1
    assert "the rollout of Deployment/web is paused" in refused.stderr
    assert "hint: kubectl rollout resume deployment/web first" in refused.stderr


def _wait(is_so: Callable[[], bool]) -> None:
    clock = Clock()
    end = clock.now() + 60
    while not is_so():
        assert clock.now() < end
        clock.sleep(0.2)
