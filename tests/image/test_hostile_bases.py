"""Bases whose registry lies: nothing of it reaches another image, leaves the cache, or is taken from this machine."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.digest import Digest
from shipit.errors import BuildError, ShipitError
from shipit.image.manifest import CONFIG_TYPES, INDEX_TYPES
from tests.image.hostile import LAYER, OCI, HostileRegistry, Machine, descriptor, tar_of

GOOD_TAR = tar_of({"etc/": "", "etc/app": "good"})
EVIL_TAR = tar_of({"etc/": "", "etc/app": "evil"})
TAKEN = "FROM scratch\nCOPY --from=BASE/{} /etc/app /app\n"


@pytest.fixture
def registry() -> Iterator[HostileRegistry]:
    with HostileRegistry() as server:
        yield server


@pytest.fixture
def machine(tmp_path: Path, registry: HostileRegistry) -> Machine:
    return Machine(tmp_path / "one", registry)


def index_of(*digests: str) -> dict[str, Any]:
    platform = {"os": "linux", "architecture": "amd64"}
    rows = [{"mediaType": OCI, "digest": digest, "size": 5, "platform": platform} for digest in digests]
    return {"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": rows}


def evil_manifest(registry: HostileRegistry) -> bytes:
    """The bytes of the manifest of a hostile image."""
    return registry.manifests["evil", registry.image("evil", EVIL_TAR)][1]


@pytest.mark.parametrize("prefix", ["", "sha256:", "SHA256:", "sha512:", " sha256:", "sha256:sha256:"])
@pytest.mark.parametrize("is_indexed", [False, True], ids=["header", "index"])
def test_a_manifest_under_the_digest_of_another_is_not_taken_for_it(
    registry: HostileRegistry, machine: Machine, prefix: str, *, is_indexed: bool
) -> None:
    good = Digest(registry.image("good", GOOD_TAR))
    claimed = f"{prefix}{good.hex}"
    evil = evil_manifest(registry)
    for reference in (claimed, good.hex, good):
        registry.manifest("evil", "v1", evil, digest=reference)
    if is_indexed:
        registry.manifest("evil", "v1", index_of(claimed), INDEX_TYPES[0])
    else:
        registry.tags["evil", "v1"] = claimed
    with contextlib.suppress(ShipitError):
        machine.build("FROM BASE/evil:v1\nCOPY a /\n")
    image = machine.build(TAKEN.format(f"good@{good}"))
    assert machine.files(image) == {"app": b"good"}


@pytest.mark.parametrize("header", ["", "x", "../../../../victim", "sha256:../../x", "sha256:" + "0" * 63])
def test_a_header_that_is_no_digest_is_passed_over(registry: HostileRegistry, machine: Machine, header: str) -> None:
    digest = registry.image("base", GOOD_TAR)
    registry.manifests["base", header] = registry.manifests["base", digest]
    registry.tags["base", "v1"] = header
    image = machine.registries.resolve(machine.ref("base:v1"), "linux/amd64")
    assert image.ref.digest == digest


def test_a_header_that_names_another_digest_is_found_out(registry: HostileRegistry, machine: Machine) -> None:
    digest, other = registry.image("base", GOOD_TAR), str(Digest.of(b"other"))
    registry.manifests["base", other] = registry.manifests["base", digest]
    registry.tags["base", "v1"] = other
    with pytest.raises(ShipitError, match="do not match its digest"):
        machine.registries.resolve(machine.ref("base:v1"), "linux/amd64")


VICTIM = "sha256:../../../../victim/new"


@pytest.mark.parametrize("digest", [VICTIM, "../../../victim/new", "sha256:{victim}/new", "{victim}/new", "sha256:.."])
@pytest.mark.parametrize("place", ["layer", "config", "index", "diff_id", "header"])
def test_nothing_is_written_outside_the_cache(
    tmp_path: Path, registry: HostileRegistry, place: str, digest: str
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    machine = Machine(tmp_path / "one", registry)
    claimed = digest.replace("{victim}", str(victim))
    before = everything(tmp_path)
    serve_claim(registry, place, claimed)
    with pytest.raises(BuildError, match="digest"):
        machine.build("FROM BASE/evil:v1\nCOPY --from=BASE/evil:v1 /etc/app /app\n")
    outside = everything(tmp_path) - before
    assert all("/.cache/" in path or path.endswith("/Dockerfile") for path in outside), outside


def serve_claim(registry: HostileRegistry, place: str, claimed: str) -> None:
    """An image that says of one of its digests what is claimed."""
    blob = gzip.compress(EVIL_TAR)
    if place == "layer":
        registry.image("evil", EVIL_TAR, layers=[descriptor(blob, LAYER, digest=claimed)])
    elif place == "diff_id":
        registry.image("evil", EVIL_TAR, diff_ids=[claimed])
    elif place == "config":
        rows = {"config": descriptor(b"{}", CONFIG_TYPES["oci"], digest=claimed), "layers": []}
        registry.manifest("evil", "v1", {"schemaVersion": 2, "mediaType": OCI, **rows})
    elif place == "index":
        registry.manifest("evil", "v1", index_of(claimed), INDEX_TYPES[0])
    else:
        # What the header says is passed over, and the manifest behind the tag is one of this kind, too.
        registry.manifest("evil", "v1", index_of(claimed), INDEX_TYPES[0])
        registry.manifest("evil", "v1", index_of(claimed), INDEX_TYPES[0], digest=claimed)


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize("form", ["sha256:{}", "{}", "sha256:{}\n", "sha512:{}"])
def test_no_file_of_this_machine_is_taken_for_a_layer(
    tmp_path: Path, registry: HostileRegistry, machine: Machine, form: str
) -> None:
    secret = tmp_path / "backup.tar"
    secret.write_bytes(gzip.compress(tar_of({"etc/app": "secret"})))
    row = descriptor(secret.read_bytes(), LAYER, digest=form.format(secret))
    registry.image("evil", EVIL_TAR, layers=[row])
    for dockerfile in (TAKEN.format("evil:v1"), "FROM BASE/evil:v1\n"):
        with pytest.raises(BuildError, match="should be sha256: and 64 hexadecimal digits"):
            machine.build(dockerfile)


@pytest.mark.parametrize("kind", ["other", "truncated", "empty", "longer"])
def test_a_blob_that_is_not_what_its_digest_says_is_not_kept(
    registry: HostileRegistry, machine: Machine, kind: str
) -> None:
    blob = gzip.compress(GOOD_TAR, mtime=0)
    served = {"other": gzip.compress(EVIL_TAR), "truncated": blob[:-9], "empty": b"", "longer": blob + b"\0"}[kind]
    registry.image("base", GOOD_TAR)
    digest = Digest.of(blob)
    registry.blobs[digest] = served
    with pytest.raises(BuildError, match="bytes"):
        machine.build(TAKEN.format("base:v1"))
    assert not machine.store.has(digest)
    assert not list((machine.store.root / "tmp").iterdir())
    registry.blobs[digest] = blob
    assert machine.files(machine.build(TAKEN.format("base:v1"))) == {"app": b"good"}


def test_a_manifest_that_lies_about_a_size_is_refused(registry: HostileRegistry, machine: Machine) -> None:
    blob = gzip.compress(GOOD_TAR, mtime=0)
    for size, said in ((len(blob) - 1, "more bytes"), (len(blob) + 1, "less bytes")):
        registry.image("base", GOOD_TAR, layers=[descriptor(blob, LAYER, size=size)])
        with pytest.raises(BuildError, match=said):
            machine.build(TAKEN.format("base:v1"))
    registry.image("good", GOOD_TAR)
    for name in ("good", "base"):
        assert machine.files(machine.build(TAKEN.format(f"{name}:v1"))) == {"app": b"good"}


def test_digests_of_sha512_are_as_good(registry: HostileRegistry, machine: Machine) -> None:
    def long(data: bytes) -> str:
        return f"sha512:{hashlib.sha512(data).hexdigest()}"

    blob = gzip.compress(GOOD_TAR, mtime=0)
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [long(GOOD_TAR)]}}).encode()
    rows = {
        "config": descriptor(config, CONFIG_TYPES["oci"], digest=long(config)),
        "layers": [descriptor(blob, LAYER, digest=long(blob))],
    }
    registry.blob("long", blob, long(blob))
    registry.blob("long", config, long(config))
    registry.manifest("long", "v1", {"schemaVersion": 2, "mediaType": OCI, **rows})
    assert machine.files(machine.build(TAKEN.format("long:v1"))) == {"app": b"good"}
    registry.blobs[long(blob)] = gzip.compress(EVIL_TAR)
    (machine.store.root / "blobs/sha512" / Digest(long(blob)).hex).unlink()
    with pytest.raises(BuildError, match="bytes"):
        machine.build(TAKEN.format("long:v1").replace("/app\n", "/else\n"))
