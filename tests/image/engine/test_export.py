"""The export of an engine's image: every layer matches its diff_id and its digest."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shipit.digest import Digest
from shipit.errors import BuildError
from shipit.image.engine.export import bounded, read_archive, read_saved
from shipit.image.image import Layer
from shipit.image.store.content_store import ContentStore
from tests.image.hostile import tar_of

TAR, OTHER = tar_of({"a": "1"}), tar_of({"a": "2"})
PACKED = gzip.compress(TAR, mtime=0)
BLOB = f"blobs/sha256/{Digest.of(PACKED).hex}"


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path)


def archive(
    members: Mapping[str, bytes | str], layers: Any = ("layer.tar",), diff_ids: Any = (Digest.of(TAR),)
) -> tarfile.TarFile:
    """An archive as `docker save` writes it; a text is a link to another member."""
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diff_ids}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": [], "Layers": layers}]).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in {"manifest.json": manifest, "c.json": config, **members}.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
            else:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data if isinstance(data, bytes) else b""))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


def layers_of(store: ContentStore, tar: tarfile.TarFile, known: Mapping[Digest, Layer] | None = None) -> list[Layer]:
    with tar:
        return list(read_archive(tar, store, known or {})[1])


def test_plain_compressed_and_linked_layers_are_stored(store: ContentStore) -> None:
    (plain,) = layers_of(store, archive({"layer.tar": TAR}))
    assert gzip.decompress(store.path(plain.digest).read_bytes()) == TAR
    (again,) = layers_of(store, archive({}, ["nowhere"]))
    assert again == plain, "it is known by its diff_id"
    fresh = ContentStore(store.root / "fresh")
    linked = archive({"x/layer.tar": "../" + BLOB, BLOB: PACKED}, [BLOB])
    assert layers_of(fresh, linked) == [Layer(Digest.of(TAR), Digest.of(PACKED), len(PACKED))]


@pytest.mark.parametrize(
    ("members", "layers", "diff_ids", "said"),
    [
        ({"layer.tar": OTHER}, ["layer.tar"], [Digest.of(TAR)], "does not match its digest"),
        ({BLOB: PACKED}, [BLOB], [Digest.of(OTHER)], "does not match its digest"),
        ({BLOB: gzip.compress(OTHER)}, [BLOB], [Digest.of(TAR)], "do not match their digest"),
        ({"../../evil": PACKED}, ["../../evil"], [Digest.of(TAR)], "without a digest in its name"),
        ({"x/passwd": PACKED}, ["x/passwd"], [Digest.of(TAR)], "without a digest in its name"),
        ({"l": "/etc/passwd"}, ["l"], [Digest.of(TAR)], "lacks a layer"),
        ({"l": "l"}, ["l"], [Digest.of(TAR)], "lacks a layer"),
        ({}, ["layer.tar"], [Digest.of(TAR)], "lacks a layer"),
        ({}, [], [Digest.of(TAR)], "differ in the number of layers"),
        ({"layer.tar": TAR}, ["layer.tar"], ["sha256:../x"], "contains no valid image"),
        ({"layer.tar": TAR}, [1], [Digest.of(TAR)], "differ in the number of layers"),
        ({"layer.tar": TAR}, "layer.tar", [Digest.of(TAR)], "contains no valid image"),
        ({"c.json": bytes(9 * 2**20)}, ["layer.tar"], [Digest.of(TAR)], "contains no valid image"),
        ({"c.json": b"{"}, ["layer.tar"], [Digest.of(TAR)], "contains no valid image"),
        ({"manifest.json": b"[" * 100_000}, ["layer.tar"], [Digest.of(TAR)], "contains no valid image"),
    ],
)
def test_archives_that_do_not_match_their_names_are_refused(
    store: ContentStore, members: Mapping[str, bytes | str], layers: Any, diff_ids: Any, said: str
) -> None:
    with pytest.raises(BuildError, match=said):
        layers_of(store, archive(members, layers, diff_ids))
    assert store.recall("packed", Digest.of(TAR)) is None


def preceded(kind: bytes, content: bytes, times: int = 1) -> bytes:
    """A valid archive after headers that change the meaning of what follows."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(content)
    one = info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)
    with archive({"layer.tar": TAR}) as tar:
        assert isinstance(tar.fileobj, io.BytesIO)
        return one * times + tar.fileobj.getvalue()


SPARSE = b"30 GNU.sparse.realsize=9999999\n22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        gzip.compress(bytes(1024))[:20],
        gzip.compress(preceded(b"L", b"y\0")),
        b"\x1f\x8b\x08" + bytes(range(256)) * 3,
        b"BZh9" + bytes(range(256)) * 3,
        b"\xfd7zXZ\0" + bytes(range(256)) * 3,
        preceded(b"L", b"y\0", 5000),
        preceded(b"x", b"13 path=./x\n\n", 5000),
        preceded(b"x", SPARSE),
        preceded(b"x", b"24 GNU.sparse.map=1,2,x\n"),
        preceded(b"x", b"29 GNU.sparse.size=999999999\n24 GNU.sparse.map=0,1024\n"),
        preceded(b"x", b"0 a=b\n"),
    ],
)
def test_an_archive_that_no_engine_writes_is_an_error(store: ContentStore, data: bytes) -> None:
    with pytest.raises(BuildError, match="the engine's export") as caught:
        read_saved(io.BytesIO(data), store, {}, "the engine")
    assert "\n" not in caught.value.what


def test_an_export_without_end_is_an_error_before_it_fills_the_disk() -> None:
    endless = iter(lambda: bytes(1024), None)
    with pytest.raises(BuildError, match=r"the engine's export of the image is larger than 10\.0 KiB") as caught:
        list(bounded(endless, 10 * 1024, "the engine"))
    assert "SHIPIT_UNPACK_MAX" in caught.value.hint
    assert list(bounded([b"ab", b"c"], 3, "the engine")) == [b"ab", b"c"]


def test_a_zstd_layer_is_not_remembered_by_its_diff_id(store: ContentStore) -> None:
    data = b"\x28\xb5\x2f\xfd and what zstd made"
    name = f"blobs/sha256/{Digest.of(data).hex}"
    (layer,) = layers_of(store, archive({name: data}, [name]))
    assert (layer.compression, layer.digest) == ("zstd", Digest.of(data))
    assert store.recall("packed", Digest.of(TAR)) is None


def test_layers_of_the_base_are_not_exported(store: ContentStore) -> None:
    known = Layer(Digest.of(TAR), Digest.of(b"theirs"), 5)
    assert layers_of(store, archive({}, ["nowhere"]), {known.diff_id: known}) == [known]
