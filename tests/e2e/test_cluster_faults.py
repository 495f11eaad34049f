"""A fault at every single request to a real API server: overcome or explained, and the next run converges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import urllib3

from shipit.errors import ShipitError
from shipit.parallel import Failures
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from shipit.rehearsal.server import Request, Response, StrictServer
from tests import runs
from tests.sampled import sampled
from tests.servers.cluster import Cluster

pytestmark = pytest.mark.cluster

TEXT = """\
app: shop
secrets: {TOKEN: {env: TOKEN}}
targets:
  k8s: {namespace: NAMESPACE, settle: 0s, manifests: [objects.json]}
"""
OBJECTS = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}},
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "two"},
        "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]},
    },
]


class Between(StrictServer):
    """Stands between shipit and the API server, and breaks the request of a given index."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        pki = cluster.pki
        self._upstream = cluster.server
        self._pool = urllib3.PoolManager(
            cert_file=str(pki / "admin.crt"), key_file=str(pki / "admin.key"), ca_certs=str(pki / "ca.crt"), maxsize=20
        )
        self.index, self.count, self.after = -1, 0, False
        self.fault, self.hit = Response(503), ""

    def stop(self) -> None:
        super().stop()
        self._pool.clear()

    def answer(self, request: Request) -> Response:
        if request.query.get("watch"):
            # It reads whole answers, and a watch has no end.
            return Response(405)
        self.count += 1
        # No server answers a read with a conflict.
        is_hit = self.count - 1 == self.index and not (request.method == "GET" and self.fault.status == 409)
        if is_hit:
            self.hit = f"{request.method} {request.path}"
        if is_hit and not self.after:
            return self.fault
        query = f"?{'&'.join(f'{key}={value}' for key, value in request.query.items())}" if request.query else ""
        headers = {key: value for key, value in request.headers.items() if key in ("content-type", "accept")}
        answer = self._pool.request(
            request.method, f"{self._upstream}{request.path}{query}", body=request.body or None, headers=headers
        )
        return (
            self.fault
            if is_hit
            else Response(answer.status, answer.data, {"Content-Type": answer.headers.get("Content-Type", "")})
        )


FAULTS = {
    "503": (Response(503, b""), False),
    "429": (Response(429, b"", {"Retry-After": "1"}), False),
    "409": (Response(409, b'{"message": "the object has been modified", "reason": "Conflict", "code": 409}'), False),
    "403": (Response(403, b'{"message": "forbidden: nobody may"}'), False),
    "500-after": (Response(500, b"oops"), True),
    "cut-off-after": (Response(200, b"{", {"Content-Length": "900", "Connection": "close"}), True),
}


def make(folder: Path, between: Between, namespace: str) -> Run:
    config = {
        "current-context": "between",
        "clusters": [{"name": "between", "cluster": {"server": f"http://{between.host}"}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "between", "context": {"cluster": "between", "user": "nobody"}}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kubeconfig").write_text(json.dumps(config))
    (folder / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": OBJECTS}))
    process_environment = runs.environment(folder, KUBECONFIG=str(folder / "kubeconfig"), TOKEN="canary-4711")
    return runs.run(
        runs.project(folder, TEXT.replace("NAMESPACE", namespace), process_environment), process_environment, []
    )


@pytest.mark.sampled
@pytest.mark.parametrize("name", sampled(list(FAULTS), 3, of="cluster"))
def test_a_fault_at_every_request(tmp_path: Path, cluster: Cluster, name: str) -> None:
    namespaces = [f"fault-{name}-{index}" for index in range(40)]
    cluster.kubectl("create", "namespace", namespaces[0])
    with Between(cluster) as clean:
        assert deploy(make(tmp_path / "count", clean, namespaces[0])) == 0
        requests = clean.count
    assert requests < len(namespaces)
    for index in sampled(range(requests), 4, of=name):
        namespace = namespaces[index + 1]
        cluster.kubectl("create", "namespace", namespace)
        with Between(cluster) as between:
            between.index = index
            between.fault, between.after = FAULTS[name]
            try:
                code = deploy(make(tmp_path / str(index), between, namespace))
                assert code == 0 or name == "403", f"request {index}, {between.hit}"
            except ShipitError as error:
                assert error.where or isinstance(error, Failures), f"request {index}, {between.hit}: {error.render()}"
                assert "canary" not in error.render()
            assert deploy(make(tmp_path / str(index), between, namespace)) == 0, (
                f"request {index}: the next run converges"
            )
            assert prepare(make(tmp_path / str(index), between, namespace)).plan.changes == 0
