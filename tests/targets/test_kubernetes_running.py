"""The pods that commands and connections go to: those that the workload owns, whatever labels its neighbours have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError
from shipit.rehearsal.server import Request, Response
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.place import find_context
from shipit.targets.kubernetes.running import find_running
from shipit.targets.kubernetes.server import ApiServer
from tests import runs
from tests.servers.kube_api import KubeApi

LABELS = {"app": "web"}


class Guarded(KubeApi):
    """An API server whose user may be refused the list of ReplicaSets."""

    is_refused = False

    def answer(self, request: Request) -> Response:
        if self.is_refused and request.path.endswith("/replicasets"):
            return Response(403, b'{"kind": "Status", "message": "no", "reason": "Forbidden", "code": 403}')
        return super().answer(request)


@pytest.fixture
def api() -> Iterator[Guarded]:
    with Guarded() as server:
        yield server


@pytest.fixture
def client(api: KubeApi, tmp_path: Path) -> Iterator[KubernetesClient]:
    environment = runs.environment(tmp_path, KUBECONFIG=api.kubeconfig(tmp_path / "kube"))
    clock = Clock()
    deadline = Deadline(clock, clock.now() + 60)
    with closing(ApiServer(find_context(environment, None), environment)) as server:
        yield KubernetesClient(server, deadline, lambda event: None)


def add(api: KubeApi, plural: str, name: str, owner: str, created: str, **labels: str) -> None:
    """A ReplicaSet, or a pod that runs. `owner` is `Kind/name`, or empty."""
    kind, _, of = owner.partition("/")
    owners = [{"kind": kind, "name": of, "uid": owner, "controller": True}] if owner else []
    metadata: dict[str, Any] = {"name": name, "namespace": "prod", "uid": name, "labels": {**LABELS, **labels}}
    metadata |= {"ownerReferences": owners, "creationTimestamp": created}
    item = {"metadata": metadata, "spec": {"containers": [{"name": "web", "image": "x"}]}}
    running = {"name": "web", "restartCount": 0, "imageID": "", "state": {"running": {}}}
    api.objects[plural, name] = {**item, "status": {"phase": "Running", "containerStatuses": [running]}}


def workload(kind: str) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": LABELS}}}


def found(client: KubernetesClient, kind: str) -> list[str]:
    return [row.pod.meta.name for row in find_running(client, workload(kind), "prod")]


NEW, OLD = "2026-01-31T13:00:00Z", "2026-01-31T12:00:00Z"


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_neighbour_with_the_same_labels_is_never_chosen(
    api: Guarded, client: KubernetesClient, *, is_refused: bool
) -> None:
    api.is_refused = is_refused
    add(api, "replicasets", "web-5d4f", "Deployment/web", OLD)
    add(api, "replicasets", "other-77aa", "Deployment/other", OLD)
    add(api, "pods", "web-5d4f-a", "ReplicaSet/web-5d4f", OLD, **{"pod-template-hash": "5d4f"})
    add(api, "pods", "other-77aa-a", "ReplicaSet/other-77aa", NEW, **{"pod-template-hash": "77aa"})
    add(api, "pods", "bare", "", NEW)
    add(api, "pods", "web-0", "StatefulSet/web", NEW)
    assert found(client, "Deployment") == ["web-5d4f-a"]
    assert found(client, "StatefulSet") == ["web-0"]


def test_without_pods_of_its_own_it_has_none(api: Guarded, client: KubernetesClient) -> None:
    add(api, "pods", "bare", "", NEW)
    with pytest.raises(RemoteError, match="DaemonSet/web: it has no pods"):
        found(client, "DaemonSet")


def test_replica_sets_are_read_only_where_names_do_not_tell(api: Guarded, client: KubernetesClient) -> None:
    add(api, "pods", "web-5d4f-a", "ReplicaSet/web-5d4f", OLD, **{"pod-template-hash": "5d4f"})
    assert found(client, "Deployment") == ["web-5d4f-a"]
    assert not any(path.endswith("replicasets") for _, path in api.log)
