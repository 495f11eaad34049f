"""An embedded registry in memory, as strict as the specification lets it be; with Heroku's rules when asked.

Source: OCI distribution-spec 1.1. Heroku's rules: schema 2 manifests only, and the image must have something to run.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid

from shipit.digest import Digest
from shipit.image.manifest import INDEX_TYPES, MANIFEST_TYPES
from shipit.rehearsal.server import Request, Response, StrictServer

_NAME = r"(?P<name>[a-z0-9]+(?:[._/-][a-z0-9_]+)*)"
_REF = r"(?P<ref>[A-Za-z0-9_][A-Za-z0-9._-]*|sha256:[0-9a-f]{64})"


class EmbeddedRegistry(StrictServer):
    """Serves and takes images. `password` asks for Basic credentials; `is_heroku` applies Heroku's rules."""

    def __init__(self, *, password: str | None = None, is_heroku: bool = False) -> None:
        super().__init__()
        self.password = password
        self.is_heroku = is_heroku
        self.blobs: dict[str, bytes] = {}
        self.linked: set[tuple[str, str]] = set()
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self._uploads: dict[str, bytearray] = {}
        self._lock = threading.Lock()
        self.route("GET", r"/v2/", self._ping)
        for method in ("GET", "HEAD"):
            self.route(method, rf"/v2/{_NAME}/manifests/{_REF}", self._get_manifest)
            self.route(method, rf"/v2/{_NAME}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})", self._get_blob)
        self.route("PUT", rf"/v2/{_NAME}/manifests/{_REF}", self._put_manifest)
        self.route("POST", rf"/v2/{_NAME}/blobs/uploads/", self._open)
        self.route("PATCH", rf"/v2/{_NAME}/blobs/uploads/(?P<id>[0-9a-f-]+)", self._append)
        self.route("PUT", rf"/v2/{_NAME}/blobs/uploads/(?P<id>[0-9a-f-]+)", self._close)
        self.route("DELETE", rf"/v2/{_NAME}/blobs/uploads/(?P<id>[0-9a-f-]+)", self._drop)
        self.route("GET", rf"/v2/{_NAME}/tags/list", self._list)

    def answer(self, request: Request) -> Response:
        if self.password is not None and not self._is_known(request):
            self.log.append((request.method, request.path))
            return _error(
                401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": 'Basic realm="registry"'}
            )
        return super().answer(request)

    def refuse(self, request: Request) -> Response:
        return _error(405, "UNSUPPORTED", "The operation is unsupported.")

    def config_of(self, name: str, reference: str) -> dict[str, object] | None:
        """The config of an image by tag or manifest digest, or None."""
        found = self.manifests.get((name, self.tags.get((name, reference), reference)))
        config: dict[str, object] | None = (
            json.loads(self.blobs[json.loads(found[1])["config"]["digest"]]) if found else None
        )
        return config

    def _is_known(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            return scheme == "Basic" and base64.b64decode(token).decode().partition(":")[2] == self.password
        except ValueError:
            return False

    def _ping(self, request: Request) -> Response:
        return Response(200, b"{}", {"Docker-Distribution-API-Version": "registry/2.0"})

    def _get_manifest(self, request: Request) -> Response:
        name, ref = request.groups["name"], request.groups["ref"]
        digest = self.tags.get((name, ref), ref)
        found = self.manifests.get((name, digest))
        if found is None:
            return _error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if found[0] not in request.headers.get("accept", ""):
            return _error(404, "MANIFEST_UNKNOWN", f"the client does not accept {found[0]}")
        return Response(200, found[1], {"Content-Type": found[0], "Docker-Content-Digest": digest})

    def _put_manifest(self, request: Request) -> Response:
        name, ref, kind = request.groups["name"], request.groups["ref"], request.headers.get("content-type", "")
        digest = Digest.of(request.body)
        if ref.startswith("sha256:") and ref != digest:
            return _error(400, "DIGEST_INVALID", "the digest does not match the manifest")
        if self.is_heroku and kind in INDEX_TYPES:
            return _error(405, "UNSUPPORTED", "The operation is unsupported.")
        if kind not in MANIFEST_TYPES.values() or (self.is_heroku and kind != MANIFEST_TYPES["docker"]):
            return _error(400, "UNSUPPORTED", "unsupported")
        try:
            manifest = json.loads(request.body)
            rows = [manifest["config"], *manifest["layers"]]
            if manifest.get("mediaType", kind) != kind or manifest["schemaVersion"] != 2:
                return _error(400, "MANIFEST_INVALID", "media type and content disagree")
        except (ValueError, KeyError, TypeError):
            return _error(400, "MANIFEST_INVALID", "manifest invalid")
        for row in rows:
            if (name, row["digest"]) not in self.linked or len(self.blobs[row["digest"]]) != row["size"]:
                return _error(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown: {row['digest']}")
        runtime = json.loads(self.blobs[manifest["config"]["digest"]]).get("config") or {}
        if self.is_heroku and not (runtime.get("Cmd") or runtime.get("Entrypoint")):
            return _error(400, "UNSUPPORTED", "unsupported")
        with self._lock:
            self.manifests[name, digest] = (kind, request.body)
            if not ref.startswith("sha256:"):
                self.tags[name, ref] = digest
        return Response(201, headers={"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest})

    def _get_blob(self, request: Request) -> Response:
        name, digest = request.groups["name"], request.groups["digest"]
        if (name, digest) not in self.linked:
            return _error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return Response(
            200, self.blobs[digest], {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
        )

    def _open(self, request: Request) -> Response:
        name, mount, source = request.groups["name"], request.query.get("mount"), request.query.get("from")
        if mount and (source, mount) in self.linked:
            with self._lock:
                self.linked.add((name, mount))
            return Response(201, headers={"Location": f"/v2/{name}/blobs/{mount}", "Docker-Content-Digest": mount})
        upload = str(uuid.uuid4())
        self._uploads[upload] = bytearray()
        return Response(202, headers={"Location": f"/v2/{name}/blobs/uploads/{upload}?state=opaque", "Range": "0-0"})

    def _append(self, request: Request) -> Response:
        upload, name = request.groups["id"], request.groups["name"]
        if upload not in self._uploads:
            return _error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        self._uploads[upload] += request.body
        end = len(self._uploads[upload]) - 1
        return Response(
            202, headers={"Location": f"/v2/{name}/blobs/uploads/{upload}?state=opaque", "Range": f"0-{end}"}
        )

    def _close(self, request: Request) -> Response:
        upload, name, digest = request.groups["id"], request.groups["name"], request.query.get("digest", "")
        if upload not in self._uploads or request.query.get("state") != "opaque":
            return _error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        data = bytes(self._uploads.pop(upload) + request.body)
        if Digest.of(data) != digest:
            return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        with self._lock:
            self.blobs[digest] = data
            self.linked.add((name, digest))
        return Response(201, headers={"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})

    def _drop(self, request: Request) -> Response:
        return (
            Response(204)
            if self._uploads.pop(request.groups["id"], None) is not None
            else _error(404, "BLOB_UPLOAD_UNKNOWN", "unknown")
        )

    def _list(self, request: Request) -> Response:
        name = request.groups["name"]
        tags = sorted(tag for own, tag in self.tags if own == name)
        return Response(200, json.dumps({"name": name, "tags": tags}).encode(), {"Content-Type": "application/json"})


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Response(status, body, {"Content-Type": "application/json", **(headers or {})})
