"""The embedded registry does what the specification of the OCI says; its own suite passes against it, by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from shipit.digest import Digest
from shipit.http.messages import Answer
from shipit.http.transport import Transport
from shipit.image.manifest import INDEX_TYPES, MANIFEST_TYPES
from shipit.rehearsal.contents import page, parse_range
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.runs import environment

OCI = MANIFEST_TYPES["oci"]
EMPTY = b"{}"


class Client:
    """Asks for repository `a/b` and keeps nothing."""

    def __init__(self, registry: EmbeddedRegistry, transport: Transport) -> None:
        self._base, self._transport = f"http://{registry.host}", transport

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        url = path if path.startswith("http") else self._base + (path if path.startswith("/v2/") else f"/v2/a/b/{path}")
        return self._transport.send(
            method, url, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    def blob(self, data: bytes) -> dict[str, Any]:
        """Push a blob; its descriptor."""
        digest = Digest.of(data)
        opened = self("POST", "blobs/uploads/")
        assert self("PUT", f"{opened.header('Location')}&digest={digest}", data).status == 201
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(data)}

    def manifest(self, reference: str, value: dict[str, Any], kind: str = OCI) -> Answer:
        body = json.dumps({"schemaVersion": 2, "mediaType": kind, **value}).encode()
        return self("PUT", f"manifests/{reference or Digest.of(body)}", body, Content_Type=kind)


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    transport = Transport(environment(tmp_path_factory.mktemp("home")))
    with EmbeddedRegistry() as registry:
        yield Client(registry, transport)
    transport.close()


def test_a_blob_is_uploaded_in_chunks_in_order(client: Client) -> None:
    digest = Digest.of(b"abcdef")
    where = client("POST", "blobs/uploads/").header("Location")
    first = client("PATCH", where, b"abc", Content_Range="0-2")
    assert (first.status, first.header("Range")) == (202, "0-2")
    told = client("GET", first.header("Location"))
    assert (told.status, told.header("Range")) == (204, "0-2")
    assert client("PATCH", where, b"xyz", Content_Range="5-7").status == 416
    assert client("PUT", f"{where}&digest={digest}", b"def", Content_Range="0-2").status == 416
    assert client("PUT", f"{where}&digest={digest}", b"def", Content_Range="3-5").status == 201
    assert client("GET", f"blobs/{digest}").content == b"abcdef"


def test_a_blob_is_uploaded_with_one_request(client: Client) -> None:
    assert client("POST", f"blobs/uploads/?digest={Digest.of(b'x')}", b"x").status == 201
    assert client("POST", f"blobs/uploads/?digest={Digest.of(b'x')}", b"y").status == 400
    assert client("POST", "blobs/uploads/?digest=sha256:abc", b"y").status == 400


def test_a_digest_may_be_of_sha512(client: Client) -> None:
    digest = f"sha512:{hashlib.sha512(b'x').hexdigest()}"
    assert client("POST", f"blobs/uploads/?digest={digest}", b"x").status == 201
    assert client("GET", f"blobs/{digest}").content == b"x"


def test_a_blob_is_mounted_from_another_repository(client: Client) -> None:
    digest = client.blob(b"x")["digest"]
    for query in (f"mount={digest}&from=a/b", f"mount={digest}"):
        assert client("POST", f"/v2/c/blobs/uploads/?{query}").status == 201
    assert client("POST", f"/v2/c/blobs/uploads/?mount={digest}&from=other").status == 202


@pytest.mark.parametrize(
    ("asked", "status", "data"),
    [
        ("bytes=0-1", 206, b"ab"),
        ("bytes=4-", 206, b"ef"),
        ("bytes=-2", 206, b"ef"),
        ("bytes=4-99", 206, b"ef"),
        ("bytes=6-7", 416, b""),
        ("bytes=3-2", 416, b""),
        ("chunks=1-2", 416, b""),
    ],
)
def test_a_range_of_a_blob(client: Client, asked: str, status: int, data: bytes) -> None:
    digest = client.blob(b"abcdef")["digest"]
    found = client("GET", f"blobs/{digest}", Range=asked)
    assert (found.status, found.content) == (status, data)


def test_an_index_refers_to_existing_manifests_only(client: Client) -> None:
    config = client.blob(EMPTY)
    assert client.manifest("one", {"config": config, "layers": []}).status == 201
    digest = client("HEAD", "manifests/one").header("Docker-Content-Digest")
    row = {"mediaType": OCI, "digest": digest, "size": 1}
    assert client.manifest("many", {"manifests": [row]}, INDEX_TYPES[0]).status == 201
    assert client("GET", "manifests/many").header("Content-Type") == INDEX_TYPES[0]
    assert client.manifest("lost", {"manifests": [{**row, "digest": Digest.of(b"x")}]}, INDEX_TYPES[0]).status == 400


@pytest.mark.parametrize("reference", ["sha256:abc", "sha256:totallywrong", ".bad", "a" * 200])
def test_an_invalid_reference_is_refused(client: Client, reference: str) -> None:
    assert client.manifest(reference, {"config": client.blob(EMPTY), "layers": []}).status == 400
    assert client("GET", f"manifests/{reference}").status == 404


def test_referrers_are_listed_by_subject(client: Client) -> None:
    config = client.blob(EMPTY)
    subject = {"mediaType": OCI, "digest": Digest.of(b"of an image that may come later"), "size": 1}
    for name, kind in (("sbom", "application/x-sbom"), ("sig", "application/x-sig")):
        put = client.manifest(name, {"config": config, "layers": [], "artifactType": kind, "subject": subject})
        assert (put.status, put.header("OCI-Subject")) == (201, subject["digest"])
    found = client("GET", f"referrers/{subject['digest']}")
    assert [row["artifactType"] for row in found.json()["manifests"]] == ["application/x-sbom", "application/x-sig"]
    one = client("GET", f"referrers/{subject['digest']}?artifactType=application/x-sig")
    assert len(one.json()["manifests"]) == 1 and one.header("OCI-Filters-Applied") == "artifactType"
    assert client("GET", f"referrers/{Digest.of(b'nothing')}").json()["manifests"] == []


def test_deleted_manifests_and_blobs_are_not_found(client: Client) -> None:
    config = client.blob(EMPTY)
    for tag in ("one", "two"):
        client.manifest(tag, {"config": config, "layers": []})
    digest = client("HEAD", "manifests/one").header("Docker-Content-Digest")
    assert client("DELETE", "manifests/one").status == 202
    assert client("GET", "manifests/one").status == 404 and client("GET", "manifests/two").status == 200
    assert client("DELETE", f"manifests/{digest}").status == 202
    assert client("GET", "manifests/two").status == 404 and client("DELETE", f"manifests/{digest}").status == 404
    assert client("DELETE", f"blobs/{config['digest']}").status == 202
    assert client("HEAD", f"blobs/{config['digest']}").status == 404


def test_tags_are_listed_in_pages(client: Client) -> None:
    config = client.blob(EMPTY)
    for tag in ("c", "a", "b"):
        client.manifest(tag, {"config": config, "layers": []})
    first = client("GET", "tags/list?n=2")
    assert first.json()["tags"] == ["a", "b"]
    assert first.header("Link") == '</v2/a/b/tags/list?n=2&last=b>; rel="next"'
    last = client("GET", "tags/list?n=2&last=b")
    assert last.json()["tags"] == ["c"] and not last.header("Link")


def test_herokus_registry_supports_none_of_these(tmp_path_factory: pytest.TempPathFactory) -> None:
    transport = Transport(environment(tmp_path_factory.mktemp("home")))
    with EmbeddedRegistry(is_heroku=True) as registry:
        client = Client(registry, transport)
        assert client("DELETE", "manifests/one").status == 405
        assert client("GET", f"referrers/{Digest.of(b'x')}").status == 405
    transport.close()


def test_pages_and_ranges() -> None:
    assert page(["b", "a"], {}) == (["a", "b"], True)
    assert page(["b", "a"], {"n": "0"}) == ([], True)
    assert page(["b", "a"], {"n": "x", "last": "a"}) == (["b"], True)
    assert (
        parse_range("bytes=0-0", 1) == (0, 0)
        and parse_range("bytes=-", 5) is None
        and parse_range("bytes=0-", 0) is None
    )
