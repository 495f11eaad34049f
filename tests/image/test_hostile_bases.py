"""Hostile registries and bases: they affect no other image, write nothing outside the cache, and read no local file."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.digest import Digest
from shipit.errors import BuildError, ShipitError
from shipit.image.manifest import CONFIG_TYPES, INDEX_TYPES
from shipit.image.tar.write import header as tar_header
from shipit.image.tree.entries import Entry
from tests.image.hostile import LAYER, OCI, HostileRegistry, Machine, descriptor, tar_of
from tests.sampled import only_deep

USERS = {"etc/passwd": "app:x:7:8::/:\n", "etc/group": ""}
GOOD_TAR = tar_of({"etc/": "", "etc/app": "good", "app": "-> /etc", **USERS})
EVIL_TAR = tar_of({"etc/": "", "etc/app": "evil", "app/": "", "etc/passwd": "app:x:0:0::/:\n", "etc/group": ""})
TAKEN = "FROM scratch\nCOPY --from=BASE/{} /etc/app /app\n"


@pytest.fixture
def registry() -> Iterator[HostileRegistry]:
    with HostileRegistry() as server:
        yield server


@pytest.fixture
def machine(tmp_path: Path, registry: HostileRegistry) -> Iterator[Machine]:
    made = Machine(tmp_path / "one", registry)
    yield made
    made.registries.close()


def index_of(*digests: str) -> dict[str, Any]:
    platform = {"os": "linux", "architecture": "amd64"}
    rows = [{"mediaType": OCI, "digest": digest, "size": 5, "platform": platform} for digest in digests]
    return {"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": rows}


def evil_manifest(registry: HostileRegistry) -> bytes:
    """The bytes of a hostile image's manifest."""
    return registry.manifests["evil", registry.image("evil", EVIL_TAR)][1]


@pytest.mark.parametrize("prefix", ["", "sha256:", "SHA256:", "sha512:", " sha256:", "sha256:sha256:"])
@pytest.mark.parametrize("is_indexed", [False, True], ids=["header", "index"])
def test_a_manifest_served_under_another_digest_is_refused(
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
def test_an_invalid_digest_header_is_ignored(registry: HostileRegistry, machine: Machine, header: str) -> None:
    digest = registry.image("base", GOOD_TAR)
    registry.manifests["base", header] = registry.manifests["base", digest]
    registry.tags["base", "v1"] = header
    image = machine.registries.resolve(machine.ref("base:v1"), "linux/amd64")
    assert image.ref.digest == digest


def test_a_wrong_digest_header_is_detected(registry: HostileRegistry, machine: Machine) -> None:
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
    """Serve an image whose digest at one place is replaced by `claimed`."""
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
        # The header is ignored, and the manifest for the tag has a false digest as well.
        registry.manifest("evil", "v1", index_of(claimed), INDEX_TYPES[0])
        registry.manifest("evil", "v1", index_of(claimed), INDEX_TYPES[0], digest=claimed)


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize("form", ["sha256:{}", "{}", "sha256:{}\n", "sha512:{}"])
def test_local_files_are_never_used_as_layers(
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
def test_a_blob_that_does_not_match_its_digest_is_not_stored(
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


def test_a_manifest_with_a_wrong_size_is_refused(registry: HostileRegistry, machine: Machine) -> None:
    blob = gzip.compress(GOOD_TAR, mtime=0)
    for size, said in ((len(blob) - 1, "more bytes"), (len(blob) + 1, "less bytes")):
        registry.image("base", GOOD_TAR, layers=[descriptor(blob, LAYER, size=size)])
        with pytest.raises(BuildError, match=said):
            machine.build(TAKEN.format("base:v1"))
    registry.image("good", GOOD_TAR)
    for name in ("good", "base"):
        assert machine.files(machine.build(TAKEN.format(f"{name}:v1"))) == {"app": b"good"}


def test_sha512_digests_are_accepted(registry: HostileRegistry, machine: Machine) -> None:
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


# Lookups in a base: a path, an owner's name, a file.
QUESTIONS = [
    "FROM BASE/{}:v1\nCOPY a /app/\n",
    "FROM BASE/{}:v1\nCOPY --chown=app a /new/\n",
    "FROM scratch\nCOPY --from=BASE/{}:v1 /etc/app /app\n",
    "FROM scratch\nCOPY --from=BASE/{}:v1 /etc /\n",
    "FROM scratch\nCOPY --from=BASE/{}:v1 /etc/passwd /etc/group /etc/\nCOPY --chown=app a /\n",
    "FROM BASE/{}:v1 AS one\nFROM scratch\nCOPY --from=one /etc/app /app\n",
]


@pytest.mark.parametrize("asked", QUESTIONS)
@pytest.mark.parametrize("is_known", [False, True], ids=["unknown", "known"])
def test_a_config_with_diff_ids_of_another_image_does_not_affect_its_builds(
    tmp_path: Path, registry: HostileRegistry, machine: Machine, asked: str, *, is_known: bool
) -> None:
    registry.image("good", GOOD_TAR)
    registry.image("evil", EVIL_TAR, diff_ids=[Digest.of(GOOD_TAR)])
    right = Machine(tmp_path / "another", registry).build(asked.format("good"))
    if is_known:
        machine.build("FROM BASE/good:v1\nCOPY a /app/\nCOPY --chown=app a /new/\n")
    for question in QUESTIONS:
        try:
            image = machine.build(question.format("evil"))
        except BuildError as error:
            assert error.what == "the layer does not match the diff_id in its image's config"
            assert error.where.startswith(f"{registry.host}/evil@sha256:")
        else:
            assert is_known and question.startswith("FROM BASE"), "no layer had to be read"
            assert image.layers[0].diff_id == Digest.of(GOOD_TAR)
    found = machine.build(asked.format("good"))
    assert found.config == right.config
    assert [layer.diff_id for layer in found.layers] == [layer.diff_id for layer in right.layers]
    for layer in found.layers:
        if layer.origin is None:
            data = gzip.decompress(machine.store.path(layer.digest).read_bytes())
            assert Digest.of(data) == layer.diff_id


def test_bytes_after_the_end_of_a_tar_count_for_the_diff_id(registry: HostileRegistry, machine: Machine) -> None:
    registry.image("evil", GOOD_TAR + b"more", diff_ids=[Digest.of(GOOD_TAR)])
    with pytest.raises(BuildError, match="does not match the diff_id in its image's config"):
        machine.build(TAKEN.format("evil:v1"))


def test_of_duplicate_members_the_last_one_is_read(registry: HostileRegistry, machine: Machine) -> None:
    def passwd(uid: int) -> bytes:
        return tar_of({"etc/passwd": f"app:x:{uid}:{uid}::/:\n"})[:1024]

    registry.image("base", passwd(1) + passwd(2) + bytes(1024))
    image = machine.build("FROM BASE/base:v1\nCOPY --chown=app a /\n")
    assert machine.owners(image)["a"] == (2, 2)


MIB = 1024 * 1024


def header(name: str, size: int, kind: bytes = b"0") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def zeros(size: int) -> bytes:
    """A gzip of that many zeros, in members of 16 MiB."""
    return gzip.compress(bytes(16 * MIB), 6) * (size // (16 * MIB))


def deep(count: int) -> bytes:
    name = ("/d" * count).encode()
    return header("././@LongLink", len(name) + 1, b"L") + name + bytes(512 - len(name) % 512) + header("x", 0)


@pytest.mark.large
@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (gzip.compress(header("a", 2**60)), "it is truncated"),
        (gzip.compress(header("x", 3 * 2**30, b"x")) + zeros(64 * MIB), "at most 1 MiB"),
        (gzip.compress(header("x", 3 * 2**30, b"L")) + zeros(64 * MIB), "at most 1 MiB"),
        (gzip.compress(header("a", 2**40)) + zeros(2**31), "more than 1073741824 bytes"),
        (gzip.compress(header("a", 0) + bytes(1024)) + zeros(2**31), "more than 1073741824 bytes"),
        (gzip.compress(deep(200_000)), "at most 4096 bytes"),
        (gzip.compress(b"x" * 100_000), "not a number"),
        (gzip.compress(GOOD_TAR)[:-20], "can't be read as a layer"),
        (b"no gzip", "can't be read as a layer"),
    ],
    ids=["2^60", "pax", "name", "file", "end", "deep", "text", "truncated", "plain"],
)
def test_endless_or_invalid_layers_fail_in_bounded_time(
    tmp_path: Path, registry: HostileRegistry, blob: bytes, said: str
) -> None:
    registry.image("evil", blobs=[blob], diff_ids=[Digest.of(b"")])
    peak = bounded(tmp_path, registry, "FROM BASE/evil:v1\nCOPY a /x/\n", said)
    assert peak < 150 * MIB
    assert not list((tmp_path / "one/.cache/tmp").iterdir())


def bounded(folder: Path, registry: HostileRegistry, dockerfile: str, said: str, **variables: str) -> int:
    """Build in another process, which has to fail with a text, or to succeed. Returns its peak memory in bytes."""
    script = (
        "import sys; from pathlib import Path\n"
        "from shipit.errors import ShipitError; from tests.image.hostile import Machine\n"
        "class Registry: host = sys.argv[2]\n"
        "machine = Machine(Path(sys.argv[1]), Registry(), **dict(pair.split('=') for pair in sys.argv[4:]))\n"
        "try: machine.build(sys.argv[3])\n"
        "except ShipitError as error: print(error.render())\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    words = [str(folder / "one"), registry.host, dockerfile, *(f"{key}={value}" for key, value in variables.items())]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    *told, peak = done.stdout.splitlines()
    assert said in "\n".join(told)
    assert bool(told) == bool(said), told
    return int(peak) * 1024


@pytest.mark.large
def test_a_passwd_above_the_limit_is_not_read(tmp_path: Path, registry: HostileRegistry) -> None:
    plain = header("etc/passwd", 3 * 2**30)
    blob = gzip.compress(plain) + zeros(3 * 2**30) + gzip.compress(bytes(1024))
    digest = hashlib.sha256(plain)
    for _ in range(3 * 64):
        digest.update(bytes(16 * MIB))
    digest.update(bytes(1024))
    registry.image("evil", blobs=[blob], diff_ids=[f"sha256:{digest.hexdigest()}"])
    asked = "FROM BASE/evil:v1\nCOPY --chown=app a /x/\n"
    assert bounded(tmp_path, registry, asked, "more than 1073741824 bytes") < 150 * MIB
    shutil.rmtree(tmp_path / "one/context")
    peak = bounded(tmp_path, registry, asked, "is larger than 4 MiB", SHIPIT_UNPACK_MAX="4GiB")
    assert peak < 150 * MIB


@pytest.mark.large
@pytest.mark.sampled
@only_deep
def test_a_million_files_need_little_memory(tmp_path: Path, registry: HostileRegistry) -> None:
    digest, packed = hashlib.sha256(), io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        for package in range(1000):
            names = (f"usr/lib/node_modules/package-{package}/lib/file-{number}.js" for number in range(1000))
            block = b"".join(tar_header(name, Entry("file", 0o644), 0) for name in names)
            digest.update(block)
            file.write(block)
        digest.update(GOOD_TAR)
        file.write(GOOD_TAR)
    registry.image("many", blobs=[packed.getvalue()], diff_ids=[f"sha256:{digest.hexdigest()}"])
    questions = "FROM BASE/many:v1\nCOPY a /app/\nCOPY --from=BASE/many:v1 /etc/app /here\n"
    assert bounded(tmp_path, registry, questions, "") < 300 * MIB


@pytest.mark.large
@pytest.mark.parametrize("part", ["x/", "y" * 200 + "/"])
@pytest.mark.parametrize("count", [3, 30, 60])
@pytest.mark.parametrize("asked", ["COPY a /l0/", "WORKDIR /l0/w", "COPY --from=BASE/evil:v1 /l0 /x"])
def test_links_that_expand_to_longer_and_longer_paths_fail(
    tmp_path: Path, registry: HostileRegistry, part: str, count: int, asked: str
) -> None:
    links = {f"l{number}": f"-> l{number + 1}/{part * (4000 // len(part))}" for number in range(count)}
    registry.image("evil", tar_of(links))
    before = time.monotonic()
    assert bounded(tmp_path, registry, f"FROM BASE/evil:v1\n{asked}\n", "more than 4096 characters") < 150 * MIB
    assert time.monotonic() - before < 60


def test_a_layer_larger_than_the_free_space_is_not_fetched(registry: HostileRegistry, machine: Machine) -> None:
    registry.image("evil", GOOD_TAR, layers=[descriptor(gzip.compress(GOOD_TAR, mtime=0), LAYER, size=2**40)])
    registry.log.clear()
    with pytest.raises(BuildError, match="the cache is full: no space for 1099511627776 bytes"):
        machine.build(TAKEN.format("evil:v1"))
    assert not [path for _, path in registry.log if str(Digest.of(gzip.compress(GOOD_TAR, mtime=0))) in path]


def test_an_endless_body_is_aborted(registry: HostileRegistry, machine: Machine) -> None:
    blob = gzip.compress(GOOD_TAR, mtime=0)
    registry.image("evil", GOOD_TAR)
    registry.blobs[Digest.of(blob)] = blob + bytes(64 * MIB)
    with pytest.raises(BuildError, match="received more bytes than the"):
        machine.build(TAKEN.format("evil:v1"))
    assert sum(file.stat().st_size for file in machine.store.root.rglob("*") if file.is_file()) < MIB
