"""A registry in memory, as strict as the specification allows; optionally with the rules of Heroku's registry.

Source: OCI distribution-spec 1.1. Heroku's rules: schema 2 manifests only, and the image must have something to run.
"""

from __future__ import annotations

import base64
import json
import threading

from shipit.digest import Digest, parse_digest
from shipit.image.manifest import INDEX_TYPES, MANIFEST_TYPES
from shipit.rehearsal.blob_store import BlobStore, error
from shipit.rehearsal.contents import KINDS, page, read_manifest, referrers
from shipit.rehearsal.server import Request, Response, StrictServer

_NAME = r"(?P<name>[a-z0-9]+(?:(?:[._]|__|-+|/)[a-z0-9]+)*)"
_DIGEST = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
_REF = rf"(?P<ref>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}|{_DIGEST})"
_UPLOAD = rf"/v2/{_NAME}/blobs/uploads/(?P<id>[0-9a-f-]+)"
_BLOB = rf"/v2/{_NAME}/blobs/(?P<digest>{_DIGEST})"


class EmbeddedRegistry(StrictServer):
    """Accepts and serves images. With `password` it requires Basic credentials; `is_heroku` applies Heroku's rules."""

    def __init__(self, *, password: str | None = None, is_heroku: bool = False) -> None:
        super().__init__()
        self.password = password
        self.is_heroku = is_heroku
        store = BlobStore()
        self.blobs, self.linked = store.blobs, store.linked
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        self.route("GET", r"/v2/", self._ping)
        for method in ("GET", "HEAD"):
            self.route(method, rf"/v2/{_NAME}/manifests/{_REF}", self._get_manifest)
            self.route(method, _BLOB, store.get_blob)
        self.route("PUT", rf"/v2/{_NAME}/manifests/{_REF}", self._put_manifest)
        self.route("POST", rf"/v2/{_NAME}/blobs/uploads/", store.open)
        self.route("GET", _UPLOAD, store.tell)
        self.route("PATCH", _UPLOAD, store.append)
        self.route("PUT", _UPLOAD, store.close)
        self.route("DELETE", _UPLOAD, store.drop)
        if not is_heroku:
            self.route("DELETE", rf"/v2/{_NAME}/manifests/{_REF}", self._delete_manifest)
            self.route("DELETE", _BLOB, store.delete_blob)
            self.route("GET", rf"/v2/{_NAME}/referrers/(?P<digest>{_DIGEST})", self._referrers)
        self.route("GET", rf"/v2/{_NAME}/tags/list", self._list)

    def answer(self, request: Request) -> Response:
        if self.password is not None and not self._is_known(request):
            self.log.append((request.method, request.path))
            return error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": 'Basic realm="registry"'})
        return super().answer(request)

    def refuse(self, request: Request) -> Response:
        if not self.is_heroku and "/manifests/" in request.path and request.method == "PUT":
            return error(400, "DIGEST_INVALID", "that is neither a digest nor a tag")
        if not self.is_heroku and request.method in ("GET", "HEAD"):
            return error(404, "NAME_UNKNOWN", "there is nothing of that name")
        return error(405, "UNSUPPORTED", "The operation is unsupported.")

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
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        accept = request.headers.get("accept", "")
        if accept and "*/*" not in accept and found[0] not in accept:
            return error(404, "MANIFEST_UNKNOWN", f"the client does not accept {found[0]}")
        return Response(200, found[1], {"Content-Type": found[0], "Docker-Content-Digest": digest})

    def _put_manifest(self, request: Request) -> Response:
        name, ref = request.groups["name"], request.groups["ref"]
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        named = parse_digest(ref)
        digest = named or Digest.of(request.body)
        if not digest.matches(request.body):
            return error(400, "DIGEST_INVALID", "the digest does not match the manifest")
        if self.is_heroku and kind in INDEX_TYPES:
            return error(405, "UNSUPPORTED", "The operation is unsupported.")
        if kind not in KINDS or (self.is_heroku and kind != MANIFEST_TYPES["docker"]):
            return error(400, "UNSUPPORTED", "unsupported")
        manifest = read_manifest(request.body, kind)
        if manifest is None:
            return error(400, "MANIFEST_INVALID", "manifest invalid")
        for row in manifest.blobs:
            if (name, row.digest) not in self.linked or len(self.blobs[row.digest]) != row.size_bytes:
                return error(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown: {row.digest}")
        for row in manifest.manifests:
            if (name, row.digest) not in self.manifests:
                return error(400, "MANIFEST_BLOB_UNKNOWN", f"manifest unknown: {row.digest}")
        if self.is_heroku and not self._has_command(manifest.blobs[0].digest):
            return error(400, "UNSUPPORTED", "unsupported")
        with self._lock:
            self.manifests[name, digest] = (kind, request.body)
            if named is None:
                self.tags[name, ref] = digest
        headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
        return Response(201, headers={**headers, **({"OCI-Subject": manifest.subject} if manifest.subject else {})})

    def _has_command(self, config: str) -> bool:
        runtime = json.loads(self.blobs[config]).get("config") or {}
        return bool(runtime.get("Cmd") or runtime.get("Entrypoint"))

    def _delete_manifest(self, request: Request) -> Response:
        name, ref = request.groups["name"], request.groups["ref"]
        with self._lock:
            if (name, ref) in self.tags:
                del self.tags[name, ref]
                return Response(202)
            if self.manifests.pop((name, ref), None) is None:
                return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
            self.tags = {key: digest for key, digest in self.tags.items() if key[0] != name or digest != ref}
        return Response(202)

    def _referrers(self, request: Request) -> Response:
        own = [(digest, *kept) for (name, digest), kept in self.manifests.items() if name == request.groups["name"]]
        wanted = request.query.get("artifactType")
        rows = referrers(own, request.groups["digest"], wanted)
        body = {"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": rows}
        applied = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
        return Response(200, json.dumps(body).encode(), {"Content-Type": INDEX_TYPES[0], **applied})

    def _list(self, request: Request) -> Response:
        name = request.groups["name"]
        tags, is_last = page([tag for own, tag in self.tags if own == name], request.query)
        link = {} if is_last else {"Link": f'</v2/{name}/tags/list?n={len(tags)}&last={tags[-1]}>; rel="next"'}
        body = json.dumps({"name": name, "tags": tags}).encode()
        return Response(200, body, {"Content-Type": "application/json", **link})
