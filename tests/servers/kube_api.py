"""A Kubernetes API server in memory: discovery, server-side apply, rollouts that are done at once, logs. Unknown routes fail.

It knows as much as a deploy asks. What it says of the real one is held by the tests that run on both.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from shipit.rehearsal.server import Request, Response, StrictServer

Object = dict[str, Any]
KINDS = {
    "/api/v1": ["Pod", "Service", "Secret", "ConfigMap", "Event"],
    "/apis/apps/v1": ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"],
    "/apis/batch/v1": ["Job"],
    "/apis/networking.k8s.io/v1": ["Ingress"],
    "/apis/autoscaling/v2": ["HorizontalPodAutoscaler"],
    "/apis/discovery.k8s.io/v1": ["EndpointSlice"],
}
_NAMESPACED = r"(?P<api>/api/v1|/apis/[^/]+/[^/]+)/namespaces/(?P<ns>[^/]+)/(?P<plural>[a-z]+)"
TIME = "2026-01-31T12:00:00Z"


class KubeApi(StrictServer):
    """Namespace `prod` is there. `objects`: (plural, name) -> object. `logs`: pod -> lines. `job_state` is how a new Job is.

    `health` is what each Service answers through the proxy; `image_id` makes what the kubelet tells of an image.
    """

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[tuple[str, str], Object] = {}
        self.logs: dict[str, list[str]] = {}
        self.job_state = "Complete"
        self.health: Response = Response(200, b"well")
        self.starts = True
        # Method and last part of the path of every dry run.
        self.dry_runs: list[tuple[str, str]] = []
        # Method of every request for a lock; whether the user may have one.
        self.lock_requests: list[str] = []
        self.keeps_locks = True
        # Path of every watch; whether there are any. Every change: its version, its type, plural and object.
        self.watches: list[str] = []
        self.can_watch = True
        self._changes: list[tuple[int, str, str, Object]] = []
        self._noticed: dict[tuple[str, str], str] = {}
        self._is_over = threading.Event()
        # After an object of this name was applied, so many applies fail.
        self.refused_after, self.refuse_applies = "", 0
        self._last_applied = ""
        # When fields are changed, as the managed fields say.
        self.time = TIME
        self.lock = threading.RLock()
        # No object has the version 1, as in a real cluster.
        self._version = 1
        for prefix, kinds in KINDS.items():
            self.route("GET", prefix, partial(_discovery, kinds))
            if prefix.startswith("/apis/"):
                self.route("GET", prefix.rpartition("/")[0], partial(_versions, prefix))
        self.route("GET", r"/api/v1/namespaces/prod", lambda _: _json(_head("v1", "Namespace", "prod")))
        self.route("GET", r"/version", lambda _: _json({}))
        # What the user may do, as rules and asked one by one.
        self.rules: list[Object] = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        self.allows = True
        review = r"/apis/authorization.k8s.io/v1/selfsubject\w+"
        self.route("POST", review, lambda _: _json({"status": {"allowed": self.allows, "resourceRules": self.rules}}))
        user = {"status": {"userInfo": {"username": "me"}}}
        self.route("POST", r"/apis/authentication.k8s.io/v1/selfsubjectreviews", lambda _: _json(user))
        self.route("GET", rf"{_NAMESPACED}/(?P<name>[^/]+)/log", self._log)
        self.route("GET", rf"{_NAMESPACED}/(?P<name>[^/]+):\d+/proxy(?P<path>/.*)", lambda _: self.health)
        self.route("GET", _NAMESPACED, self._list)
        self.route("POST", _NAMESPACED, self._create)
        self.route("GET", rf"{_NAMESPACED}/(?P<name>[^/]+)", self._get)
        self.route("PATCH", rf"{_NAMESPACED}/(?P<name>[^/]+)", self._apply)
        self.route("DELETE", rf"{_NAMESPACED}/(?P<name>[^/]+)", self._delete)

    def kubeconfig(self, folder: Path, context: str = "mem") -> str:
        """The path of a kubeconfig for this server."""
        config = {
            "current-context": context,
            "clusters": [{"name": "mem", "cluster": {"server": f"http://{self.host}"}}],
            "users": [{"name": "me", "user": {"token": "token-of-the-cluster"}}],
            "contexts": [{"name": context, "context": {"cluster": "mem", "user": "me", "namespace": "prod"}}],
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kubeconfig").write_text(json.dumps(config))
        return str(folder / "kubeconfig")

    def stop(self) -> None:
        self._is_over.set()
        super().stop()

    def update(self, plural: str, name: str, manager: str, change: Object) -> None:
        """Change an object as another user of kubectl: `change` is merged, and that user owns its fields."""
        with self.lock:
            live = self.objects[plural, name]
            fields = _fields(change)
            for entry in live["metadata"]["managedFields"]:
                _take(entry["fieldsV1"], fields)
            _merge(live, change)
            live["metadata"]["managedFields"].append(_entry(manager, "Update", fields, self.time))
            self._changed(live)
            if plural == "deployments":
                self._roll_out(live)

    def update_or_create(self, plural: str, name: str, item: Object) -> None:
        """Create an object as another user of kubectl; an object of the same name is replaced."""
        with self.lock:
            made = deepcopy(item)
            made["metadata"] |= {"namespace": "prod", "uid": str(uuid.uuid4())}
            made["metadata"]["managedFields"] = [
                _entry(
                    "kubectl-create",
                    "Update",
                    _fields({k: v for k, v in item.items() if k not in ("apiVersion", "kind")}),
                    self.time,
                )
            ]
            self._changed(made)
            self.objects[plural, name] = made

    def answer(self, request: Request) -> Response:
        if "/leases" in request.path and not self.keeps_locks:
            return _status(403, "Forbidden", "leases is forbidden")
        answer = super().answer(request)
        if "/leases" in request.path:
            self.log.remove((request.method, request.path))
            self.lock_requests.append(request.method)
        if request.query.get("watch"):
            self.log.remove((request.method, request.path))
            self.watches.append(request.path)
        if request.query.get("dryRun"):
            # `log` holds what reads and what writes.
            self.log.remove((request.method, request.path))
            self.dry_runs.append((request.method, request.path.rpartition("/")[2]))
        return answer

    def refuse(self, request: Request) -> Response:
        return _status(404, "NotFound", f"{request.method} {request.path} is not known here")

    def _get(self, request: Request) -> Response:
        with self.lock:
            found = self.objects.get((request.groups["plural"], request.groups["name"]))
            return _json(found) if found else _status(404, "NotFound", f"{request.groups['name']} not found")

    def _list(self, request: Request) -> Response:
        plural = request.groups["plural"]
        if request.query.get("watch"):
            if not self.can_watch:
                return _status(405, "MethodNotAllowed", "watch is not supported")
            return Response(200, self._watch(plural, request), {"Content-Type": "application/json"})
        with self.lock:
            self._notice()
            version = str(self._version)
            found = self._slices(request) if plural == "endpointslices" else []
            found += [
                item for (kind, _), item in self.objects.items() if kind == plural and _selected(item, request.query)
            ]
            items = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in found]
        if "as=PartialObjectMetadataList" in request.headers.get("accept", ""):
            items = [{"metadata": item["metadata"]} for item in items]
        return _json({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items})

    def _watch(self, plural: str, request: Request) -> Iterator[bytes]:
        """The changes since a version, until the server stops or the client leaves."""
        seen = int(request.query["resourceVersion"])
        while not self._is_over.wait(0.05):
            with self.lock:
                self._notice()
                new = [row for row in self._changes if row[0] > seen]
            for version, kind, own, item in new:
                seen = version
                if own == plural and _selected(item, request.query):
                    yield json.dumps({"type": kind, "object": item}).encode() + b"\n"
            # Writing fails when the client has left.
            yield b"\n"

    def _notice(self) -> None:
        """Note what changed since the last time. What a test changed by itself gets a new version."""
        new: list[tuple[int, str, str, Object]] = []
        for (plural, name), item in self.objects.items():
            text = json.dumps(item, sort_keys=True)
            before = self._noticed.get((plural, name))
            if before == text:
                continue
            version = item["metadata"].get("resourceVersion")
            if not version or (before and json.loads(before)["metadata"]["resourceVersion"] == version):
                self._changed(item)
            self._noticed[plural, name] = json.dumps(item, sort_keys=True)
            kind = "MODIFIED" if before else "ADDED"
            new.append((int(item["metadata"]["resourceVersion"]), kind, plural, deepcopy(item)))
        for plural, name in self._noticed.keys() - self.objects.keys():
            item = json.loads(self._noticed.pop((plural, name)))
            self._changed(item)
            new.append((self._version, "DELETED", plural, item))
        self._changes += sorted(new, key=lambda row: row[0])

    def _slices(self, request: Request) -> list[Object]:
        name = request.query["labelSelector"].partition("=")[2]
        service = self.objects.get(("services", name))
        wanted = (service or {}).get("spec", {}).get("selector", {}).items()
        ready = [
            item
            for (kind, _), item in self.objects.items()
            if kind == "pods" and wanted <= item["metadata"]["labels"].items()
        ]
        return [{"metadata": {"name": f"{name}-x"}, "endpoints": [{"conditions": {"ready": True}} for _ in ready]}]

    def _create(self, request: Request) -> Response:
        body = json.loads(request.body)
        with self.lock:
            if request.query.get("dryRun"):
                name = f"{body['metadata'].get('generateName', '')}x"
                return self.refusal(request, {**body, "metadata": {"name": name}}) or _json(body, 201)
            if (request.groups["plural"], body["metadata"]["name"]) in self.objects:
                return _status(409, "AlreadyExists", "it is there already")
            made = self._put(request.groups["plural"], body, "Update")
            if made["kind"] == "Job":
                self._run(made)
            return _json(made, 201)

    def _apply(self, request: Request) -> Response:
        body = json.loads(request.body)
        if request.groups["plural"] == "leases":
            return self._renewed(request.groups["name"], body)
        version = body["metadata"].pop("resourceVersion", "")
        with self.lock:
            if self.refuse_applies and self._last_applied == self.refused_after and not request.query.get("dryRun"):
                self.refuse_applies -= 1
                return _status(507, "InsufficientStorage", "the disk is full")
            live = self.objects.get((request.groups["plural"], request.groups["name"]))
            if live and version and version != live["metadata"]["resourceVersion"]:
                return _status(409, "Conflict", "the object has been modified")
            if request.query.get("dryRun"):
                return self.refusal(request, body) or _json(self._applied(request.groups["plural"], body, "Apply"))
            self._last_applied = request.groups["name"]
            made = self._put(request.groups["plural"], body, "Apply")
            if made["kind"] == "Deployment":
                self._roll_out(made)
            if made["kind"] == "Pod":
                made["status"] = _pod_status(made["spec"])
            return _json(made)

    def _renewed(self, name: str, body: Object) -> Response:
        """A Lease, changed by a merge patch of one version of it."""
        with self.lock:
            live = self.objects.get(("leases", name))
            if live is None:
                return _status(404, "NotFound", "it is not there")
            if body["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
                return _status(409, "Conflict", "the object has been modified")
            _merge(live, body)
            self._changed(live)
            return _json(live)

    def _delete(self, request: Request) -> Response:
        key = request.groups["plural"], request.groups["name"]
        wanted = json.loads(request.body or b"{}").get("preconditions", {})
        with self.lock:
            found = self.objects.get(key)
            if found is None:
                return _status(404, "NotFound", "it is not there")
            if any(found["metadata"][name] != value for name, value in wanted.items()):
                return _status(409, "Conflict", "it is another one, or was changed")
            if found["metadata"].get("finalizers"):
                found["metadata"]["deletionTimestamp"] = TIME
                return _json(found)
            del self.objects[key]
            self._collect(found["metadata"]["uid"])
            return _json({"kind": "Status", "status": "Success"})

    def _log(self, request: Request) -> Response:
        lines = self.logs.get(request.groups["name"], [])
        if request.query.get("previous") == "true":
            lines = self.logs.get(f"{request.groups['name']} previous", [])
        times = [f"2026-01-31T12:00:{number // 1000:02}.{number % 1000:03}Z" for number in range(len(lines))]
        since = request.query.get("sinceTime", "").rstrip("Z")
        if request.query.get("timestamps") == "true":
            lines = [f"{time} {line}" for time, line in zip(times, lines, strict=True) if time >= since]
        lines = lines[-int(request.query.get("tailLines", "1000000000")) :]
        whole = "".join(f"{line}\n" for line in lines).encode()[: int(request.query.get("limitBytes", "1000000000"))]
        return Response(200, whole, {"Content-Type": "text/plain"})

    def refusal(self, request: Request, body: Object) -> Response | None:
        """What a test lets a dry run answer instead of the object."""
        return None

    def _put(self, plural: str, body: Object, operation: str) -> Object:
        """Store an object."""
        name = body["metadata"]["name"]
        live, made = self.objects.get((plural, name)), self._applied(plural, body, operation)
        self.objects[plural, name] = made
        if live is None or made.get("spec") != live.get("spec"):
            made["metadata"]["generation"] = made["metadata"].get("generation", 0) + 1
        self._changed(made)
        return made

    def _applied(self, plural: str, body: Object, operation: str) -> Object:
        """An object as applying leaves it: what only somebody else wrote stays, what shipit wrote before and not now goes."""
        live = self.objects.get((plural, body["metadata"]["name"]))
        made = deepcopy(live) if live else deepcopy(body)
        fields = _fields({key: value for key, value in body.items() if key not in ("apiVersion", "kind")})
        if live:
            _drop(made, _owned_by(live, "shipit"), [fields, *(_owned_by(live, name) for name in _others(live))])
            _merge(made, body)
        metadata = made["metadata"]
        metadata |= {"namespace": "prod", "uid": metadata.get("uid") or str(uuid.uuid4())}
        others = [entry for entry in metadata.get("managedFields", []) if entry["manager"] != "shipit"]
        for entry in others:
            _take(entry["fieldsV1"], fields)
        metadata["managedFields"] = [*others, _entry("shipit", operation, fields, self.time)]
        return made

    def _changed(self, item: Object) -> None:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)

    def _roll_out(self, deployment: Object) -> None:
        """A ReplicaSet with its pods, ready at once."""
        metadata, spec = deployment["metadata"], deployment["spec"]
        revision = str(int(metadata.get("annotations", {}).get("deployment.kubernetes.io/revision", "0")) + 1)
        metadata.setdefault("annotations", {})["deployment.kubernetes.io/revision"] = revision
        for (kind, name), item in list(self.objects.items()):
            if kind == "replicasets" and metadata["uid"] in _owners(item):
                self._collect(item["metadata"]["uid"])
                del self.objects[kind, name]
        labels = spec["template"]["metadata"]["labels"]
        replicas = self._child("replicasets", f"{metadata['name']}-{revision}", metadata["uid"], labels)
        replicas["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": revision}
        count = spec.get("replicas", 1) if self.starts else 0
        for number in range(count):
            pod = self._child("pods", f"{metadata['name']}-{revision}-{number}", replicas["metadata"]["uid"], labels)
            pod["spec"], pod["status"] = spec["template"]["spec"], _pod_status(spec["template"]["spec"])
        numbers = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), count)
        deployment["status"] = {"observedGeneration": metadata["generation"], **numbers}

    def _run(self, job: Object) -> None:
        name = job["metadata"]["name"]
        pod = self._child("pods", f"{name}-x", job["metadata"]["uid"], {"job-name": name})
        pod["spec"], pod["status"] = job["spec"]["template"]["spec"], {"phase": "Running"}
        self.logs.setdefault(f"{name}-x", ["migrating", "migrated"])
        if self.job_state:
            job["status"] = {"conditions": [{"type": self.job_state, "status": "True"}]}

    def _child(self, plural: str, name: str, owner: str, labels: Object) -> Object:
        made: Object = {
            "metadata": {"name": name, "namespace": "prod", "uid": str(uuid.uuid4()), "labels": dict(labels)}
        }
        made["metadata"]["ownerReferences"] = [{"uid": owner}]
        self._changed(made)
        self.objects[plural, name] = made
        return made

    def _collect(self, owner: str) -> None:
        for key, item in list(self.objects.items()):
            if owner in _owners(item):
                del self.objects[key]


def _owners(item: Object) -> set[str]:
    return {row["uid"] for row in item["metadata"].get("ownerReferences", [])}


def _pod_status(spec: Object) -> Object:
    containers = [
        {"name": row["name"], "restartCount": 0, "imageID": row["image"], "state": {"running": {}}}
        for row in spec["containers"]
    ]
    return {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": containers}


def _selected(item: Object, query: Any) -> bool:
    labels = item["metadata"].get("labels", {})
    wanted = re.findall(r"([^,=() ]+)(?:=([^,]*)| in \(([^)]*)\))", query.get("labelSelector", ""))
    fields = [part.partition("=") for part in query.get("fieldSelector", "").split(",") if part]
    has_fields = all(_field(item, key) == value for key, _, value in fields if not key.endswith("!"))
    return has_fields and all(labels.get(key) in (more.split(",") if more else [value]) for key, value, more in wanted)


def _field(item: Any, key: str) -> Any:
    for part in key.split("."):
        item = item.get(part, "") if isinstance(item, dict) else ""
    return item


def _entry(manager: str, operation: str, fields: Object, time: str) -> Object:
    return {"manager": manager, "operation": operation, "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields}


def _fields(value: Any) -> Object:
    """The fieldsV1 of a value; items of lists that have names by those."""
    if isinstance(value, dict):
        whole = {key: item for key, item in value.items() if key != "metadata"}
        metadata = {key: item for key, item in value.get("metadata", {}).items() if key not in ("name", "namespace")}
        whole |= {"metadata": metadata} if metadata else {}
        return {f"f:{key}": _fields(item) for key, item in whole.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        return {f"k:{json.dumps({'name': item['name']})}": {".": {}, **_fields(item)} for item in value}
    return {}


def _others(item: Object) -> list[str]:
    return [entry["manager"] for entry in item["metadata"].get("managedFields", []) if entry["manager"] != "shipit"]


def _owned_by(item: Object, manager: str) -> Object:
    entries = item["metadata"].get("managedFields", [])
    return next((entry["fieldsV1"] for entry in entries if entry["manager"] == manager), {})


def _drop(value: Any, owned: Object, kept: list[Object]) -> None:
    """Remove the fields and named list items that are owned, and that nothing of `kept` has."""
    for key, inner in owned.items():
        kind, _, name = key.partition(":")
        left = [fields[key] for fields in kept if key in fields]
        if kind == "f" and isinstance(value, dict) and name in value:
            if not left:
                del value[name]
            elif inner:
                _drop(value[name], inner, left)
        elif kind == "k" and isinstance(value, list):
            row = next((row for row in value if row["name"] == json.loads(name)["name"]), None)
            if row is not None and not left:
                value.remove(row)
            elif row is not None:
                _drop(row, inner, left)


def _take(owned: Object, taken: Object) -> None:
    """Remove from one manager's fields those that another manager took."""
    for key, inner in taken.items():
        # The name of a list item is the same for all, so nobody takes it.
        if key not in owned or key in (".", "f:name"):
            continue
        if inner and any(name not in (".", "f:name") for name in inner):
            _take(owned[key], inner)
        else:
            del owned[key]


def _merge(into: Object, change: Object) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value):
            rows = into.setdefault(key, [])
            for item in value:
                found = next((row for row in rows if row["name"] == item["name"]), None)
                if found is None:
                    rows.append(deepcopy(item))
                else:
                    _merge(found, item)
        else:
            into[key] = deepcopy(value)


def _head(version: str, kind: str, name: str) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "uid": f"uid-of-{name}"}}


def _versions(prefix: str, request: Request) -> Response:
    version = {"groupVersion": prefix.removeprefix("/apis/")}
    return _json({"kind": "APIGroup", "versions": [version], "preferredVersion": version})


def _discovery(kinds: list[str], request: Request) -> Response:
    rows = [{"name": _plural(kind), "kind": kind, "namespaced": True} for kind in kinds]
    return _json({"kind": "APIResourceList", "resources": rows})


def _plural(kind: str) -> str:
    return f"{kind.lower()}es" if kind == "Ingress" else f"{kind.lower()}s"


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _status(code: int, reason: str, message: str) -> Response:
    return _json(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}, code
    )
