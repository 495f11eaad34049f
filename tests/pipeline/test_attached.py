"""A promotion copies what belongs to an image: signatures, SBOMs, attestations, and the index it was found in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from shipit.digest import Digest
from shipit.events import StepDone, Warned
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response
from tests.pipeline.promotion_bench import PromotionBench
from tests.servers.registry import RegistryServer

OCI, INDEX = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))


class WithoutReferrers(EmbeddedRegistry):
    """Knows no referrers, as registries of the specification 1.0."""

    def answer(self, request: Request) -> Response:
        if "/referrers/" in request.path:
            return Response(404, b"404 page not found\n", {"Content-Type": "text/plain"})
        answer = super().answer(request)
        headers = {name: value for name, value in answer.headers.items() if name != "OCI-Subject"}
        return Response(answer.status, answer.body, headers)


@dataclass(frozen=True)
class Repository:
    """A repository over HTTP, as another tool uses it."""

    host: str
    name: str

    @property
    def url(self) -> str:
        return f"http://{self.host}/v2/{self.name}"

    def attach(self, subject: str, kind: str, text: str, *, tag: str = "") -> str:
        """Put an artifact that refers to a manifest, or that has a tag; its digest."""
        rows = [self._blob(content) for content in (b"{}", text.encode())]
        found = self.get(subject)
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI,
            "artifactType": kind,
            "config": {**rows[0], "mediaType": "application/vnd.oci.empty.v1+json"},
            "layers": [{**rows[1], "mediaType": kind}],
            "annotations": {"made.by": "a test"},
        }
        if not tag:
            row = {"mediaType": found.headers["Content-Type"], "digest": subject, "size": len(found.content)}
            manifest["subject"] = row
        return self.put(manifest, tag)

    def put(self, manifest: dict[str, Any], tag: str = "") -> str:
        data = json.dumps(manifest).encode()
        digest = str(Digest.of(data))
        headers = {"Content-Type": manifest["mediaType"]}
        url = f"{self.url}/manifests/{tag or digest}"
        requests.put(url, data=data, headers=headers, timeout=10).raise_for_status()
        return digest

    def row(self, digest: str) -> dict[str, Any]:
        found = self.get(digest)
        return {"mediaType": found.headers["Content-Type"], "digest": digest, "size": len(found.content)}

    def get(self, reference: str) -> requests.Response:
        headers = {"Accept": f"{OCI}, {INDEX}"}
        return requests.get(f"{self.url}/manifests/{reference}", headers=headers, timeout=10)

    def referrers(self, subject: str) -> list[str]:
        found = requests.get(f"{self.url}/referrers/{subject}", timeout=10)
        if not found.ok:
            found = self.get(subject.replace(":", "-"))
        return [row["digest"] for row in found.json()["manifests"]] if found.ok else []

    def _blob(self, data: bytes) -> dict[str, Any]:
        digest = str(Digest.of(data))
        begun = requests.post(f"{self.url}/blobs/uploads/", timeout=10)
        at = begun.headers["Location"]
        at = at if at.startswith("http") else f"http://{self.host}{at}"
        sign = "&" if "?" in at else "?"
        requests.put(f"{at}{sign}digest={digest}", data=data, timeout=10).raise_for_status()
        return {"digest": digest, "size": len(data)}


@pytest.fixture(params=[EmbeddedRegistry, WithoutReferrers])
def registry(request: pytest.FixtureRequest) -> Iterator[EmbeddedRegistry]:
    with request.param() as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, registry: EmbeddedRegistry) -> PromotionBench:
    made = PromotionBench(tmp_path, registry)
    assert made.deploy("first") == 0
    return made


def repositories(bench: PromotionBench) -> tuple[Repository, Repository, str]:
    """Those of staging and production, and the digest that staging runs."""
    [image] = bench.read().promotion.images
    digest = image.reference.partition("@")[2]
    return (
        Repository(bench.registry.host, "staging/app"),
        Repository(bench.other.host, "production/app"),
        digest,
    )


def listed(repository: Repository, subject: str, *rows: str) -> None:
    """The list of referrers of a registry that keeps none, as other tools write it."""
    if not requests.get(f"{repository.url}/referrers/{subject}", timeout=10).ok:
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [repository.row(row) for row in rows]}
        repository.put(index, subject.replace(":", "-"))


def warnings(bench: PromotionBench) -> list[str]:
    return [event.message for event in bench.events if isinstance(event, Warned)]


def test_signatures_and_sboms_go_with_the_image(bench: PromotionBench) -> None:
    staging, production, digest = repositories(bench)
    sbom = staging.attach(digest, "application/spdx+json", "an SBOM")
    signature = staging.attach(digest, "application/vnd.cncf.notary.signature", "a signature")
    of_sbom = staging.attach(sbom, "application/vnd.cncf.notary.signature", "a signature of the SBOM")
    listed(staging, digest, sbom, signature)
    listed(staging, sbom, of_sbom)
    cosign = staging.attach(digest, "application/vnd.dev.cosign", "another one", tag=f"{digest.replace(':', '-')}.sig")
    assert bench.promote() == 0 and warnings(bench) == []
    assert sorted(production.referrers(digest)) == sorted((sbom, signature))
    assert production.referrers(sbom) == [of_sbom]
    for artifact in (sbom, signature, of_sbom, cosign):
        assert production.get(artifact).content == staging.get(artifact).content
    assert production.get(f"{digest.replace(':', '-')}.sig").headers["Docker-Content-Digest"] == cosign
    [pushed] = [event.summary for event in bench.events if isinstance(event, StepDone) and "pushed" in event.summary]
    assert pushed.endswith("4 attached")
    assert bench.promote() == 0 and bench.verdicts() == {"one": "unchanged"}


def test_an_index_is_copied_with_all_of_its_platforms(bench: PromotionBench) -> None:
    staging, production, digest = repositories(bench)
    own = json.loads(staging.get(digest).content)
    other = staging.put({**own, "annotations": {"for": "another platform"}})
    rows = [
        {**staging.row(found), "platform": {"os": "linux", "architecture": name}}
        for found, name in ((digest, "amd64"), (other, "arm64"))
    ]
    index = staging.put({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows})
    for row in bench.staging["one"].records:
        row["past"]["images"][0]["reference"] = f"{bench.registry.host}/staging/app@{index}"
    assert bench.promote() == 0 and warnings(bench) == []
    for found in (index, digest, other):
        assert production.get(found).content == staging.get(found).content


def test_the_signature_that_production_has_stays(bench: PromotionBench) -> None:
    staging, production, digest = repositories(bench)
    tag = f"{digest.replace(':', '-')}.sig"
    staging.attach(digest, "application/vnd.dev.cosign", "of staging", tag=tag)
    assert bench.promote() == 0
    own = production.attach(digest, "application/vnd.dev.cosign", "of production", tag=tag)
    bench.other.manifests.pop(("production/app", digest))
    assert bench.promote() == 0
    assert production.get(tag).headers["Docker-Content-Digest"] == own
    assert warnings(bench) == [
        f"{bench.other.host}/production/app keeps its own {tag}: those of {bench.registry.host}/staging/app are not copied"
    ]


def test_an_artifact_that_can_not_be_copied_is_a_warning(bench: PromotionBench) -> None:
    staging, production, digest = repositories(bench)
    sbom = staging.attach(digest, "application/spdx+json", "an SBOM")
    listed(staging, digest, sbom)
    bench.registry.blobs.pop(str(Digest.of(b"an SBOM")))
    bench.registry.linked.discard(("staging/app", str(Digest.of(b"an SBOM"))))
    assert bench.promote() == 0
    [said] = warnings(bench)
    assert said.startswith("of what is attached to ") and f" this can't be copied: {Digest(sbom).short}: " in said
    assert production.get(digest).ok and production.referrers(digest) == []


def test_what_belongs_to_an_image_has_a_bound(bench: PromotionBench) -> None:
    staging, production, digest = repositories(bench)
    own = json.loads(staging.get(digest).content)
    rows = [staging.row(staging.put({**own, "annotations": {"number": str(number)}})) for number in range(8)]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows * 70}
    sbom = staging.attach(digest, "application/spdx+json", "an SBOM")
    listed(staging, digest, sbom, staging.put({**index, "subject": staging.row(digest)}))
    assert bench.promote() == 0
    [said] = warnings(bench)
    assert said.endswith("more than 500 manifests belong to the image") and production.get(digest).ok


def test_the_reference_registry_gets_them_with_a_list_by_tag(tmp_path: Path, registry_server: RegistryServer) -> None:
    """docker-registry of Debian keeps no list of referrers: the tag of the specification has it."""
    bench = PromotionBench(tmp_path, cast("EmbeddedRegistry", registry_server))
    assert bench.deploy("first") == 0
    staging, production, digest = repositories(bench)
    sbom = staging.attach(digest, "application/spdx+json", "an SBOM")
    listed(staging, digest, sbom)
    assert bench.promote() == 0 and warnings(bench) == []
    assert production.referrers(digest) == [sbom]
    [row] = production.get(digest.replace(":", "-")).json()["manifests"]
    assert (row["artifactType"], row["annotations"]) == ("application/spdx+json", {"made.by": "a test"})
