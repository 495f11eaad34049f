"""A mutating admission webhook of the cluster: it changes the Pods of one namespace as a test says."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.servers.certificates import Authority, server_context
from tests.servers.cluster import Cluster

# Operations of a JSON Patch (RFC 6902).
Patch = Sequence[Mapping[str, Any]]


@contextmanager
def changing_pods(
    cluster: Cluster, folder: Path, namespace: str, patch: Patch, operations: Sequence[str] = ("CREATE",)
) -> Iterator[None]:
    """Pods of a namespace are changed when they are created, or at other operations, while the context lasts."""
    authority = Authority(folder)
    authority.issue("server", "webhook", names=("127.0.0.1",))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(patch))
    server.socket = server_context(folder).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"shipit-test-{namespace}"
    bundle = base64.b64encode((folder / "ca.crt").read_bytes()).decode()
    webhook = {
        "name": "pods.shipit.test",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "timeoutSeconds": 30,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "clientConfig": {"url": f"https://127.0.0.1:{server.server_port}/", "caBundle": bundle},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": list(operations)}],
    }
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    whole = {**head, "metadata": {"name": name}, "webhooks": [webhook]}
    cluster.kubectl("apply", "-f", "-", data=json.dumps(whole))
    try:
        yield
    finally:
        cluster.kubectl("delete", "mutatingwebhookconfiguration", name)
        server.shutdown()
        server.server_close()


def _handler(patch: Patch) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {
                "uid": review["request"]["uid"],
                "allowed": True,
                "patchType": "JSONPatch",
                "patch": base64.b64encode(json.dumps(list(patch)).encode()).decode(),
            }
            body = json.dumps({**review, "response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
