"""The blobs and uploads of the embedded registry.

Source: OCI distribution-spec 1.1, "Pulling blobs", "Pushing blobs" and "Deleting blobs".
"""

from __future__ import annotations

import json
import threading
import uuid

from shipit.digest import parse_digest
from shipit.rehearsal.contents import parse_range
from shipit.rehearsal.server import Request, Response


class BlobStore:
    """`blobs` by digest; `linked` are those of each repository, as (name, digest)."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.linked: set[tuple[str, str]] = set()
        self._uploads: dict[str, bytearray] = {}
        self._lock = threading.Lock()

    def get_blob(self, request: Request) -> Response:
        """A blob, or a range of its bytes."""
        name, digest = request.groups["name"], request.groups["digest"]
        if (name, digest) not in self.linked:
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        data = self.blobs[digest]
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "Accept-Ranges": "bytes",
        }
        if not (asked := request.headers.get("range")):
            return Response(200, data, headers)
        found = parse_range(asked, len(data))
        if found is None:
            return Response(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        start, end = found
        return Response(206, data[start : end + 1], {**headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"})

    def delete_blob(self, request: Request) -> Response:
        """Delete a blob of a repository."""
        key = (request.groups["name"], request.groups["digest"])
        with self._lock:
            if key not in self.linked:
                return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
            self.linked.discard(key)
        return Response(202)

    def open(self, request: Request) -> Response:
        """Begin an upload; or mount a blob, or accept it whole, if the request says so."""
        name, mount, source = request.groups["name"], request.query.get("mount"), request.query.get("from")
        if mount and self._is_lent(mount, source):
            with self._lock:
                self.linked.add((name, mount))
            return self._stored(name, mount)
        if digest := request.query.get("digest"):
            return self._keep(name, digest, request.body)
        upload = str(uuid.uuid4())
        self._uploads[upload] = bytearray()
        return self._opened(name, upload, 202)

    def _is_lent(self, digest: str, source: str | None) -> bool:
        """Whether a repository has a blob to mount; any repository when none is named."""
        return (source, digest) in self.linked if source else any(digest == own for _, own in self.linked)

    def tell(self, request: Request) -> Response:
        """The progress of an upload."""
        upload, name = request.groups["id"], request.groups["name"]
        return self._opened(name, upload, 204) if upload in self._uploads else _NO_UPLOAD

    def append(self, request: Request) -> Response:
        """Append a chunk to an upload."""
        upload, name = request.groups["id"], request.groups["name"]
        if upload not in self._uploads:
            return _NO_UPLOAD
        if not self._is_next(upload, request):
            return self._opened(name, upload, 416)
        self._uploads[upload] += request.body
        return self._opened(name, upload, 202)

    def close(self, request: Request) -> Response:
        """Finish an upload, perhaps with its only or last chunk."""
        upload, name, digest = request.groups["id"], request.groups["name"], request.query.get("digest", "")
        if upload not in self._uploads or request.query.get("state") != "opaque":
            return _NO_UPLOAD
        if not self._is_next(upload, request):
            return self._opened(name, upload, 416)
        return self._keep(name, digest, bytes(self._uploads.pop(upload) + request.body))

    def _is_next(self, upload: str, request: Request) -> bool:
        """Whether the Content-Range of a chunk, if any, follows the bytes that were received."""
        sent = request.headers.get("content-range")
        size = len(self._uploads[upload])
        return sent is None or sent == f"{size}-{size + len(request.body) - 1}"

    def _opened(self, name: str, upload: str, status: int) -> Response:
        end = max(0, len(self._uploads[upload]) - 1)
        location = f"/v2/{name}/blobs/uploads/{upload}?state=opaque"
        return Response(status, headers={"Location": location, "Range": f"0-{end}"})

    def _keep(self, name: str, text: str, data: bytes) -> Response:
        digest = parse_digest(text)
        if digest is None or not digest.matches(data):
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        with self._lock:
            self.blobs[digest] = data
            self.linked.add((name, digest))
        return self._stored(name, digest)

    def _stored(self, name: str, digest: str) -> Response:
        return Response(201, headers={"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})

    def drop(self, request: Request) -> Response:
        """Cancel an upload."""
        return Response(204) if self._uploads.pop(request.groups["id"], None) is not None else _NO_UPLOAD


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error body in the form of the specification."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Response(status, body, {"Content-Type": "application/json", **(headers or {})})


_NO_UPLOAD = error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
