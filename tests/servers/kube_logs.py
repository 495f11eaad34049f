"""A Kubernetes API server in memory with a Deployment whose pods have logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shipit.rehearsal.server import Request, Response
from tests.servers.kube_api import KubeApi

RUNNING: dict[str, Any] = {"running": {"startedAt": "2026-01-31T12:00:00Z"}}
ENDED: dict[str, Any] = {"terminated": {"exitCode": 1, "reason": "Error"}}


def status(name: str = "shop", restarts: int = 0, *, state: Any = RUNNING, last: Any = None) -> dict[str, Any]:
    return {"name": name, "restartCount": restarts, "state": state, "lastState": last or {}}


class LogServer(KubeApi):
    """A namespace with the Deployment `shop`. `answers` gives what a request for a log gets; `asked` has their queries."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: Callable[[str, dict[str, str]], Response] = lambda pod, query: text(b"")
        self.refused_lists = 0
        # Called after the pods were listed, before the answer.
        self.after_pods: Callable[[], None] = lambda: None
        self.update_or_create(
            "deployments", "shop", owned("Deployment", "shop", selector={"matchLabels": {"app": "shop"}})
        )
        self.add_replica_set("shop-1")

    def add_replica_set(self, name: str, owner: str = "shop") -> None:
        item = owned("ReplicaSet", name, owners=[self.objects["deployments", owner]["metadata"]["uid"]])
        self.update_or_create("replicasets", name, item)

    def add_pod(
        self,
        name: str,
        *containers: dict[str, Any],
        owner: str = "shop-1",
        of: str = "replicasets",
        init: Any = (),
        labels: Any = None,
    ) -> None:
        """Add a pod of a ReplicaSet or of another object, or with an empty `owner` one of somebody else's."""
        uid = self.objects[of, owner]["metadata"]["uid"] if owner else "somebody else's"
        item = owned("Pod", name, owners=[uid])
        item["metadata"]["labels"] |= labels or {}
        names = [{"name": row["name"], "image": "x"} for row in containers]
        item["spec"] = {"containers": names}
        item["status"] = {
            "phase": "Running",
            "containerStatuses": list(containers),
            "initContainerStatuses": list(init),
        }
        self.update_or_create("pods", name, item)

    def change(self, pod: str, *containers: dict[str, Any]) -> None:
        with self.lock:
            self.objects["pods", pod]["status"]["containerStatuses"] = list(containers)

    def _log(self, request: Request) -> Response:
        query = dict(request.query)
        assert query.pop("timestamps") == "true"
        self.asked.append((request.groups["name"], query))
        return self.answers(request.groups["name"], query)

    def _list(self, request: Request) -> Response:
        if self.refused_lists and request.groups["plural"] == "pods":
            self.refused_lists -= 1
            return Response(503, b"{}")
        answer = super()._list(request)
        if request.groups["plural"] == "pods":
            self.after_pods()
        return answer


def owned(kind: str, name: str, *, owners: Any = (), selector: Any = None) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"app": "shop"}, "ownerReferences": [{"uid": uid} for uid in owners]}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": {"selector": selector} if selector else {}}


def text(*pieces: bytes, status: int = 200) -> Response:
    return Response(status, iter(pieces) if status == 200 else b"".join(pieces), {"Content-Type": "text/plain"})


def at(second: float, line: str) -> bytes:
    return f"2026-01-31T12:00:{second:012.9f}Z {line}\n".encode()
