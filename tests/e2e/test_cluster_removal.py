"""What leaves deploy.yml leaves the real cluster, and nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
import yaml

from shipit.clock import Clock
from shipit.config.load import load_project
from shipit.events import Event, RunFinished, TargetFinished
from shipit.pipeline.destroy import destroy
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from shipit.release import Destruction
from shipit.targets.kinds import KindModels
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, set_id
from tests import runs
from tests.e2e.test_cluster_changes import Object, Shop, config_map, deployment, shop
from tests.shipit import ROOT
from tests.waits import wait_until

__all__ = ["shop"]
pytestmark = pytest.mark.cluster

PARENT = "shipit.shop.production.k8s"
CLAIM: Object = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
}


def make_disk(shop: Shop) -> None:
    """A volume for the claim: nothing provisions one here."""
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": str(shop.folder / "disk"), "type": "DirectoryOrCreate"},
        "claimRef": {"namespace": shop.namespace, "name": "data"},
    }
    disk = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": shop.namespace}, "spec": spec}
    shop.cluster.kubectl("apply", "-f", "-", data=json.dumps(disk))


ROLE: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "reader"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
}


def names(shop: Shop, kinds: str, id_: str) -> set[str]:
    return set(shop.kubectl("get", kinds, "-l", f"{PART_OF_LABEL}={id_}", "-o", "name").split())


def plan_of(run: Run) -> tuple[list[str], tuple[str, ...]]:
    [target] = prepare(run).plan.targets
    return [step.summary for step in target.steps], target.notes


def test_what_left_is_gone_and_volumes_stay(shop: Shop) -> None:
    make_disk(shop)
    assert shop.deploy(config_map("1"), config_map("1", "other"), deployment("one"), CLAIM, ROLE)[0] == 0
    id_ = set_id(PARENT, shop.namespace)
    every = "configmaps,deployments,persistentvolumeclaims,roles"
    assert names(shop, every, id_) == {
        "configmap/settings", "configmap/other", "deployment.apps/web", "persistentvolumeclaim/data",
        "role.rbac.authorization.k8s.io/reader",
    }  # fmt: skip
    shop.kubectl("create", "configmap", "theirs")
    steps, notes = plan_of(shop.run(config_map("1"))[0])
    assert steps == [
        "remove Deployment/web, which left deploy.yml",
        "remove ConfigMap/other, which left deploy.yml",
        "remove Role/reader, which left deploy.yml",
        f"wait until it is gone and record in ConfigMap/{PARENT} what is left",
    ]
    assert notes == (
        "PersistentVolumeClaim/data left deploy.yml and stays; "
        f"delete it with kubectl --context test -n {shop.namespace} delete persistentvolumeclaim data",
    )
    code, finished = shop.deploy(config_map("1"))
    assert (code, finished.state) == (0, "healthy"), finished.reason
    assert names(shop, every, id_) == {"configmap/settings", "persistentvolumeclaim/data"}
    assert "configmap/theirs" in shop.kubectl("get", "configmaps", "-o", "name")
    kinds = shop.get(f"configmap/{PARENT}")["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"]
    assert kinds == "ConfigMap,PersistentVolumeClaim"
    assert plan_of(shop.run(config_map("1"))[0])[0] == []
    code, finished = shop.deploy(config_map("1"))
    assert (code, finished.state) == (0, "unchanged")


def test_the_label_restarts_no_pod(shop: Shop) -> None:
    """As after an older shipit, which set no label."""
    assert shop.deploy(deployment("one"))[0] == 0
    pods = shop.kubectl("get", "pods", "-o", "name")
    shop.kubectl("delete", "configmap", PARENT)
    shop.kubectl("label", "deployment", "web", f"{PART_OF_LABEL}-")
    before = shop.get("deployment/web")
    assert shop.deploy(deployment("one"))[0] == 0
    after = shop.get("deployment/web")
    assert after["metadata"]["labels"][PART_OF_LABEL] == set_id(PARENT, shop.namespace)
    assert (after["spec"], after["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])
    assert shop.kubectl("get", "pods", "-o", "name") == pods


def test_kubectl_accepts_the_set(shop: Shop) -> None:
    """It refuses the set of another tool, and with that annotation changed it prunes what shipit would."""
    assert shop.deploy(config_map("1"), config_map("1", "other"), ROLE)[0] == 0

    def prune() -> subprocess.CompletedProcess[str]:
        given = json.dumps(config_map("1"))
        command = [
            "apply",
            "--prune",
            f"--applyset=configmaps/{PARENT}",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            "-",
        ]
        return run_kubectl(shop, command, given)

    refused = prune()
    assert refused.returncode == 1
    assert (
        f'"configmaps./{PARENT}" already exists and is managed by tooling "shipit" instead of "kubectl"'
        in refused.stderr
    )
    shop.kubectl("annotate", "--overwrite", "configmap", PARENT, "applyset.kubernetes.io/tooling=kubectl/v1.34.4")
    done = prune()
    assert done.returncode == 0, done.stderr
    pruned = sorted(line for line in done.stdout.splitlines() if "pruned" in line)
    assert pruned == [
        "configmap/other pruned (server dry run)",
        "role.rbac.authorization.k8s.io/reader pruned (server dry run)",
    ]


def run_kubectl(shop: Shop, arguments: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
    from tests.servers.install import find

    command = [find("kubectl"), "--kubeconfig", str(shop.cluster.kubeconfig), "-n", shop.namespace, *arguments]
    env = {"PATH": os.defpath, "KUBECTL_APPLYSET": "true", "HOME": str(shop.folder)}
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, input=given, env=env)


ENVIRONMENTS = """\
app: shop
secrets: {TOKEN: {env: TOKEN}}
targets:
  k8s: {namespace: NAMESPACE, settle: 0s, timeout: 240s, manifests: [objects.json]}
environments:
  staging: {inherit: true}
"""


def run_in(shop: Shop, environment: str, *objects: Object, text: str = ENVIRONMENTS) -> Run:
    """A run of one environment, with manifests of its own."""
    place = shop.folder / environment
    place.mkdir(parents=True, exist_ok=True)
    (place / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    (place / "deploy.yml").write_text(text.replace("NAMESPACE", shop.namespace))
    process_environment = runs.environment(place, TOKEN="canary-4711", **shop.variables())
    selected = None if environment == "production" else environment
    project = load_project(place / "deploy.yml", process_environment, KindModels(), selected=selected)
    return runs.run(project, process_environment, [], clock=Clock())


def test_an_environment_removes_nothing_of_another_one(shop: Shop) -> None:
    text = ENVIRONMENTS.replace("secrets: {TOKEN: {env: TOKEN}}\n", "")
    assert deploy(run_in(shop, "production", config_map("1", "a"), config_map("1", "b"), text=text)) == 0
    assert deploy(run_in(shop, "staging", config_map("1", "c"), config_map("1", "d"), text=text)) == 0
    assert deploy(run_in(shop, "production", config_map("1", "a"), text=text)) == 0
    assert deploy(run_in(shop, "staging", config_map("1", "d"), text=text)) == 0
    left = {name for name in shop.kubectl("get", "configmaps", "-o", "name").split() if len(name) == len("configmap/a")}
    assert left == {"configmap/a", "configmap/d"}
    with pytest.raises(Exception, match="ConfigMap/a belongs to another app, environment or target"):
        prepare(run_in(shop, "staging", config_map("2", "a"), text=text))


def test_the_secret_of_the_env_can_not_be_changed_and_is_kept_for_a_rollback_when_it_left(shop: Shop) -> None:
    without_records = ("get", "secrets", "--field-selector", "type!=shipit.dev/release", "-o", "name")
    assert deploy(run_in(shop, "production", config_map("1"))) == 0
    [secret] = shop.kubectl(*without_records).split()
    change = json.dumps({"stringData": {"TOKEN": "drift"}})
    assert "field is immutable when `immutable` is set" in run_kubectl(shop, ["patch", secret, "-p", change]).stderr
    assert plan_of(run_in(shop, "production", config_map("1")))[0] == []
    text = ENVIRONMENTS.replace("secrets: {TOKEN: {env: TOKEN}}\n", "")
    assert deploy(run_in(shop, "production", config_map("1"), text=text)) == 0
    assert shop.kubectl(*without_records).split() == [secret], "the release before needs it"


RULES: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "patch", "delete"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
]


def as_robot(shop: Shop, rules: list[dict[str, Any]], *objects: Object) -> tuple[Run, list[Event]]:
    """A run of a service account with these rules in the namespace."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "robot"}, "rules": rules}
    shop.cluster.kubectl("-n", shop.namespace, "apply", "-f", "-", data=json.dumps(role))
    space = {
        "kind": "ClusterRole",
        "apiVersion": role["apiVersion"],
        "metadata": {"name": "see-namespaces"},
        "rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}],
    }
    shop.cluster.kubectl("apply", "-f", "-", data=json.dumps(space))
    for what in (
        ["serviceaccount", "robot"],
        ["rolebinding", "robot", "--role=robot", f"--serviceaccount={shop.namespace}:robot"],
        [
            "clusterrolebinding",
            f"robot-{shop.namespace}",
            "--clusterrole=see-namespaces",
            f"--serviceaccount={shop.namespace}:robot",
        ],
    ):
        shop.cluster.kubectl("-n", shop.namespace, "create", *what, check=False)
    token = shop.kubectl("create", "token", "robot")
    config = json.loads(shop.cluster.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    place = shop.folder / "robot"
    place.mkdir(exist_ok=True)
    (place / "kubeconfig").write_text(json.dumps(config))
    (place / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    process_environment = runs.environment(place, KUBECONFIG=str(place / "kubeconfig"))
    text = "app: shop\ntargets:\n  k8s: {namespace: NAMESPACE, settle: 0s, timeout: 240s, manifests: [objects.json]}\n"
    events: list[Event] = []
    project = runs.project(place, text.replace("NAMESPACE", shop.namespace), process_environment)
    return runs.run(project, process_environment, events, clock=Clock()), events


def test_the_role_of_the_docs_is_enough(shop: Shop) -> None:
    role = yaml.safe_load((ROOT / "docs/kubernetes-role.yml").read_text())
    own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": {"a": "canary-1"}}
    assert deploy(as_robot(shop, role["rules"], config_map("1"), own, deployment("one"))[0]) == 0
    run, events = as_robot(shop, role["rules"], config_map("2"))
    assert deploy(run) == 0, events
    assert shop.kubectl("get", "deployments", "-o", "name") == ""
    records = shop.kubectl("get", "secrets", "-l", "shipit.dev/release-of", "-o", "name").split()
    copies = shop.kubectl("get", "secrets", "-l", "shipit.dev/version-of=own", "-o", "name").split()
    assert (len(records), len(copies)) == (2, 1), "what a rollback needs stays"
    assert set(shop.kubectl("get", "secrets", "-o", "name").split()) == {*records, *copies}


def test_without_the_right_to_list_or_delete_it_says_so(shop: Shop) -> None:
    both = config_map("1"), config_map("1", "other")
    few = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "delete"]} for rule in RULES]
    assert deploy(as_robot(shop, few, *both)[0]) == 0
    run, events = as_robot(shop, few, both[0])
    assert deploy(run) == 1
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    assert "it was healthy, then removing what left deploy.yml failed" in finished.reason
    assert 'cannot delete resource "configmaps"' in finished.reason
    fewer = [
        {
            **rule,
            "verbs": [
                verb
                for verb in rule["verbs"]
                if verb != "list" or "pods" in rule["resources"] or "replicasets" in rule["resources"]
            ],
        }
        for rule in RULES
    ]
    steps, notes = plan_of(as_robot(shop, fewer, both[0])[0])
    assert steps == []
    assert notes == (
        f"you may not list configmaps in namespace {shop.namespace}: what left deploy.yml of these is not found",
    )


def stateful_set() -> Object:
    """One that deletes its volumes with itself."""
    template = deployment("one")["spec"]["template"]
    claim = {"metadata": {"name": "disk"}, "spec": CLAIM["spec"]}
    spec = {
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "web"}},
        "template": template,
        "volumeClaimTemplates": [claim],
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
    }
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}


def test_destroy_removes_the_workloads_with_their_pods_and_a_volume_only_where_it_is_named(shop: Shop) -> None:
    make_disk(shop)
    assert shop.deploy(config_map("1"), deployment("one"), CLAIM, ROLE)[0] == 0
    shop.kubectl("create", "configmap", "theirs")
    run, events = shop.run(config_map("1"))
    assert destroy(run, Destruction(), is_selected=False) == 0, events
    assert shop.kubectl("get", "deployments,pods,replicasets,roles", "-o", "name") == ""
    left = set(shop.kubectl("get", "configmaps,persistentvolumeclaims", "-o", "name").split())
    assert left == {
        "configmap/theirs", f"configmap/{PARENT}", "configmap/kube-root-ca.crt", "persistentvolumeclaim/data",
    }  # fmt: skip
    run, _ = shop.run(config_map("1"))
    assert destroy(run, Destruction(("PersistentVolumeClaim/data",)), is_selected=False) == 0
    left = set(shop.kubectl("get", "configmaps,persistentvolumeclaims", "-o", "name").split())
    assert left == {"configmap/theirs", "configmap/kube-root-ca.crt"}
    run, events = shop.run(config_map("1"))
    assert destroy(run, Destruction(), is_selected=False) == 0
    assert isinstance(events[-1], RunFinished) and events[-1].summary == "nothing to remove"


def test_destroy_with_keep_data_leaves_the_volumes_of_a_stateful_set(shop: Shop) -> None:
    """Without it they are deleted, as the manifest says."""

    def volumes() -> str:
        return shop.kubectl("get", "persistentvolumeclaims", "-o", "name")

    def owners() -> list[str]:
        head = shop.get("persistentvolumeclaim/disk-db-0")["metadata"]
        return [owner["kind"] for owner in head.get("ownerReferences", [])]

    def deployed() -> None:
        run, _ = shop.run(stateful_set())
        run.timeout_s = 8
        assert deploy(run) == 1, "no volume is provisioned here"
        wait_until("the controller has made it", volumes, lambda said: said == "persistentvolumeclaim/disk-db-0\n")
        # The controller writes it later than the claim.
        wait_until("the set owns it", owners, lambda kinds: kinds == ["StatefulSet"])

    deployed()
    assert destroy(shop.run(stateful_set())[0], Destruction(keep_data=True), is_selected=False) == 0
    assert shop.kubectl("get", "statefulsets,pods", "-o", "name") == ""
    assert volumes() == "persistentvolumeclaim/disk-db-0\n"
    deployed()
    assert destroy(shop.run(stateful_set())[0], Destruction(), is_selected=False) == 0
    assert volumes() == ""
