"""The requests of a deploy, counted: one list for each kind, none for each object that is unchanged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.pipeline.flow import deploy
from tests import runs
from tests.servers.kube_api import KubeApi

COUNT = 20
TEXT = "app: shop\ntargets: {k8s: {manifests: [objects.json], settle: SETTLE, timeout: 60s}}\n"
LISTED = {"configmaps", "secrets", "services", "deployments", "pods", "replicasets"}


class Place:
    def __init__(self, folder: Path, api: KubeApi) -> None:
        self.folder, self.api = folder, api
        self.note = "one"

    def objects(self) -> list[dict[str, Any]]:
        def head(version: str, kind: str, number: int, **more: Any) -> dict[str, Any]:
            return {"apiVersion": version, "kind": kind, "metadata": {"name": f"{kind.lower()}-{number}"}, **more}

        def deployment(number: int) -> dict[str, Any]:
            labels = {"app": f"d{number}"}
            template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
            return head(
                "apps/v1", "Deployment", number, spec={"selector": {"matchLabels": labels}, "template": template}
            )

        found = [head("v1", "ConfigMap", n, data={"note": self.note if n == 0 else "same"}) for n in range(COUNT)]
        found += [head("v1", "Secret", n, stringData={"note": f"secret-{n}"}) for n in range(COUNT)]
        found += [head("v1", "Service", n, spec={"ports": [{"port": 80}]}) for n in range(COUNT)]
        return [*found, *map(deployment, range(COUNT))]

    def deploy(self, settle: str = "0s") -> tuple[Counter[str], list[tuple[str, str]]]:
        """How often each kind was listed, and the reads and writes of single objects, without those of the target itself."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "objects.json").write_text(
            json.dumps({"apiVersion": "v1", "kind": "List", "items": self.objects()})
        )
        environment = runs.environment(self.folder, KUBECONFIG=self.api.kubeconfig(self.folder / "kube"))
        project = runs.project(self.folder, TEXT.replace("SETTLE", settle), environment)
        self.api.log.clear()
        self.api.dry_runs.clear()
        self.api.watches.clear()
        with runs.kept(runs.run(project, environment, [], clock=Clock())) as run:
            assert deploy(run) == 0
        lists: Counter[str] = Counter()
        single = []
        for method, path in self.api.log:
            parts = path.partition("/namespaces/prod/")[2].split("/")
            if len(parts) == 1 and method == "GET" and parts[0]:
                lists[parts[0]] += 1
            elif len(parts) > 1 and "shipit.shop" not in path:
                single.append((method, path.rpartition("/")[2]))
        return lists, single


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with KubeApi() as api:
        yield Place(tmp_path / "project", api)


@pytest.mark.slow
def test_an_unchanged_deploy_is_one_list_a_kind(place: Place) -> None:
    place.deploy()
    lists, single = place.deploy()
    assert lists == dict.fromkeys(LISTED, 1)
    assert single == [] and place.api.dry_runs == [] and place.api.watches == []
    # Discovery, the namespace, the parent of the ApplySet and the rights of the user: none of them for each object.
    assert len(place.api.log) < len(LISTED) + 12


@pytest.mark.slow
def test_one_changed_object_is_one_dry_run_and_one_write(place: Place) -> None:
    place.deploy()
    place.note = "two"
    lists, single = place.deploy()
    assert single == [("PATCH", "configmap-0")]
    assert place.api.dry_runs == [("PATCH", "configmap-0")]
    # Listed for the plan, and at the looks of the verdict: a look before the watches are open lists again. Once more: what uses
    # the copies of Secrets, and the records of releases, which are listed again to remove those that are too many.
    assert set(lists) == LISTED and max(lists.values()) < COUNT


@pytest.mark.slow
def test_a_first_deploy_is_one_dry_run_and_one_write_for_each_object(place: Place) -> None:
    lists, single = place.deploy()
    counted = Counter(method for method, _ in single)
    # A Secret that is not in the list of our own may be that of somebody else; it is read again before it is applied.
    assert counted == {"PATCH": 4 * COUNT, "GET": 2 * COUNT}
    assert len(place.api.dry_runs) == 4 * COUNT
    assert max(lists.values()) < COUNT


@pytest.mark.slow
def test_waiting_sends_no_request_for_an_object(place: Place) -> None:
    place.deploy()
    place.note = "two"
    lists, single = place.deploy(settle="4s")
    # A silent watch is checked by a list from time to time, ever more rarely.
    assert single == [("PATCH", "configmap-0")] and max(lists.values()) < COUNT
    assert {path.rpartition("/")[2] for path in place.api.watches} <= LISTED and place.api.watches
