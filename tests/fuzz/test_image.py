"""What a build reads: Dockerfiles, ignore files, layers, an engine's progress and archives, what images tell of their bases."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipit.digest import Digest
from shipit.docker.json_rows import json_rows
from shipit.errors import ShipitError
from shipit.image.build import build_image, read_dockerfile
from shipit.image.build_tools import BuildTools
from shipit.image.context.folder import read_ignore_rules, scan_context
from shipit.image.dockerfile.parse import parse_dockerfile
from shipit.image.engine.export import read_archive
from shipit.image.engine.failure import explain_failure
from shipit.image.engine.progress import TRACE, Progress, read_plain, read_row
from shipit.image.image import BuiltImage, Layer, SourceImage
from shipit.image.layers.fetch import LayerReader
from shipit.image.layers.index import LayerIndex
from shipit.image.native.base_facts import facts_from_config, parse_facts
from shipit.image.options import BuildOptions
from shipit.image.store.content_store import ContentStore
from shipit.reference import ImageRef
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import as_json, mutated, mutated_json

DOCKERFILES = (
    b"# syntax=docker/dockerfile:1\n# escape=\\\nARG BASE=base\nFROM ${BASE} AS one\nENV A=1 B=\"two $A\"\nCOPY --chown=me:5 --chmod=755 a.txt *.md /d/\n"
    b"LABEL v=${A:-x} w='y'\nUSER me\nWORKDIR d\nEXPOSE 80/tcp $A\nHEALTHCHECK --interval=5s CMD [\"true\"]\nENTRYPOINT [\"/a\", \"b\"]\n"
    b"FROM one\nCOPY --from=one /etc/passwd /p\nCOPY <<EOF /h\nhello $A\nEOF\nADD a.tar.gz /t/\nVOLUME [\"/v\"]\nSTOPSIGNAL 9\nCMD run ${A##*1} ${B%%x} ${A//1/2}\n",
    b"FROM base\r\nCOPY a.txt \\\r\n  # note\r\n  /b\r\nONBUILD COPY . .\r\nMAINTAINER me\r\nSHELL [\"/bin/sh\"]\r\n",
)  # fmt: skip
# Only an engine builds it: with the native builder, what stands above a RUN is all that is read.
WITH_RUN = b"FROM base\r\nRUN <<A <<-'B'\r\nx\r\nA\r\n\ty\r\nB\r\nRUN --mount=type=cache,target=/c [\"make\"]\r\n"


def no_engine() -> Any:
    raise ShipitError("no engine is asked here")


class OneBase:
    """A source whose every base is one image of one layer."""

    def __init__(self, store: ContentStore, tar: bytes, config: Any = None) -> None:
        blob = gzip.compress(tar, 1, mtime=0)
        diff_id = Digest.of(tar)
        self.layer = Layer(diff_id, store.put(blob), len(blob))
        whole = {"architecture": "amd64", "os": "linux", "config": config or {}, "rootfs": {"diff_ids": [diff_id]}}
        self.image = SourceImage(ImageRef("base", "base"), json.dumps(whole).encode(), (self.layer,), "oci")

    def pulled_from(self, ref: ImageRef) -> ImageRef:
        return ref

    def resolve(self, ref: ImageRef, platform: str) -> SourceImage:
        return self.image

    def blob(self, ref: ImageRef, digest: str) -> Iterator[bytes]:
        raise ShipitError("every layer is in the store")


def a_tar(form: int, *, has_whiteout: bool = True) -> bytes:
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
            for name, kind, data, link in (
                ("etc/", tarfile.DIRTYPE, b"", ""),
                ("etc/passwd", tarfile.REGTYPE, b"root:x:0:0::/:/bin/sh\nme:x:5:6::/:/bin/sh\n", ""),
                ("lib", tarfile.SYMTYPE, b"", "../usr/lib"),
                ("etc/again", tarfile.LNKTYPE, b"", "etc/passwd"),
                *([("usr/.wh.gone", tarfile.REGTYPE, b"", "")] if has_whiteout else ()),
                ("d/" + "n" * (90 if form == tarfile.USTAR_FORMAT else 120), tarfile.REGTYPE, b"x" * 600, ""),
            ):
                info = tarfile.TarInfo(name)
                info.type, info.size, info.linkname, info.mode = kind, len(data), link, 0o755
                info.pax_headers = {"comment": "x" * 10} if form == tarfile.PAX_FORMAT else {}
                archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()


TARS = tuple(a_tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
GZIPS = tuple(gzip.compress(tar, mtime=0) for tar in TARS)


def built(folder: Path, source: OneBase, store: ContentStore) -> BuiltImage:
    context = folder / "context"
    context.mkdir(exist_ok=True)
    (context / "a.txt").write_text("a")
    (context / "a.tar.gz").write_bytes(gzip.compress(a_tar(tarfile.GNU_FORMAT, has_whiteout=False), 1, mtime=0))
    options = BuildOptions(context=context, dockerfile=folder / "Dockerfile", builder="native")
    return build_image("web", options, BuildTools(store, source, no_engine, lambda event: None))


@fuzzed
@given(mutated(*DOCKERFILES, WITH_RUN))
def test_a_dockerfile(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "Dockerfile").write_bytes(data)
    bounded(lambda: read_dockerfile(tmp_path / "Dockerfile", tmp_path))


@fuzzed
@given(mutated(*DOCKERFILES, most_edits=3))
def test_a_build_of_a_dockerfile(tmp_path: Path, data: bytes) -> None:
    bounded(lambda: build_of(tmp_path, data))


@fuzzed
@given(
    mutated(b"# note\n*.log\n!keep.log\n**/node_modules\ndocs/**.md\n[a-c]?x\n/abs/\n..\n\\#a\n", b"*a*a*a*a*b\n!**\n")
)
@example(b"*a" * 40 + b"b\n")
@example(b"**/" * 60 + b"b\n")
@example(b"\xff\n")
def test_an_ignore_file(tmp_path: Path, data: bytes) -> None:
    for name in ("a.txt", "a" * 60, "docs/x.md", "node_modules/a/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_bytes(data)
    bounded(lambda: scan_context(tmp_path, read_ignore_rules(tmp_path, tmp_path / "Dockerfile"), ()))


def build_of(folder: Path, dockerfile: bytes, tar: bytes = TARS[0], config: Any = None) -> BuiltImage:
    """An image of a Dockerfile, on a base of that layer and config."""
    store = ContentStore(folder / "store")
    (folder / "Dockerfile").write_bytes(dockerfile)
    return built(folder, OneBase(store, tar, config), store)


READS_ALL = b"FROM base\nCOPY --from=base / /all/\nCOPY --chown=me a.txt /etc/\n"


@fuzzed
@given(mutated(*TARS))
def test_the_tar_of_a_layer(tmp_path: Path, data: bytes) -> None:
    """Its digests are right: what it holds is the attack."""
    store = ContentStore(tmp_path / "store")
    source = OneBase(store, data)
    bounded(lambda: LayerReader(store, source).index(source.layer))
    (tmp_path / "Dockerfile").write_bytes(READS_ALL)
    bounded(lambda: built(tmp_path, source, store))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Dockerfile", "context", "store"], "nothing outside"


def unpacked(data: bytes) -> bytes:
    """The tar of a layer; the data itself where it is no gzip."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return data


def read_layer(folder: Path, data: bytes) -> LayerIndex:
    store = ContentStore(folder / "store")
    layer = Layer(Digest.of(unpacked(data)), store.put(data), len(data))
    return LayerReader(store, OneBase(store, b"")).index(layer)


@fuzzed
@given(mutated(*GZIPS))
def test_the_gzip_of_a_layer(tmp_path: Path, data: bytes) -> None:
    bounded(lambda: read_layer(tmp_path, data))


CONFIG: dict[str, Any] = {
    "Env": ["PATH=/bin", "A=b"], "Cmd": ["/bin/sh"], "Entrypoint": None, "User": "me", "WorkingDir": "/d", "Labels": {"a": "b"},
    "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}}, "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5}, "OnBuild": [],
    "Shell": ["/bin/sh", "-c"], "StopSignal": "SIGTERM",
}  # fmt: skip


@fuzzed
@given(mutated_json(CONFIG), st.sampled_from(DOCKERFILES))
def test_the_config_of_a_base(tmp_path: Path, config: Any, dockerfile: bytes) -> None:
    bounded(lambda: build_of(tmp_path, dockerfile, config=config))


FACTS = {"layers": 1, "paths": {"etc": ["dir", 493, 0, 0, ""], "x": None}, "rows": {"etc/passwd": {"me": "me:x:5:6"}}}


TELLING = {"shipit.base.v1": FACTS, "rootfs": {"diff_ids": [Digest.of(b"a")]}}


@fuzzed
@given(mutated_json(TELLING), mutated_json(FACTS))
def test_what_an_image_tells_of_its_base(value: Any, facts: Any) -> None:
    assert not isinstance(bounded(lambda: facts_from_config(as_json(value), [Digest.of(b"a")])), Exception)
    assert not isinstance(bounded(lambda: parse_facts(facts)), Exception)


def an_archive(manifest: bytes, config: bytes, layer: bytes, name: str) -> bytes:
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for member, data in (("manifest.json", manifest), ("c.json", config), (name, layer)):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()


LAYER_NAME = f"blobs/sha256/{Digest.of(TARS[0]).hex}"
ENGINE_MANIFEST = [{"Config": "c.json", "RepoTags": ["a:b"], "Layers": [LAYER_NAME]}]
ENGINE_CONFIG = {
    "rootfs": {"type": "layers", "diff_ids": [Digest.of(TARS[0])]},
    "config": {},
}


def read_saved_image(folder: Path, manifest: bytes, config: bytes, layer: bytes) -> tuple[bytes, tuple[Layer, ...]]:
    """The image in an archive whose layer has the name and the diff_id of its content."""
    name = f"blobs/sha256/{Digest.of(layer).hex}"
    manifest = manifest.replace(LAYER_NAME.encode(), name.encode())
    config = config.replace(Digest.of(TARS[0]).encode(), Digest.of(unpacked(layer)).encode())
    with tarfile.open(fileobj=io.BytesIO(an_archive(manifest, config, layer, name))) as archive:
        return read_archive(archive, ContentStore(folder / "store"), {})


@fuzzed
@given(
    mutated_json(ENGINE_MANIFEST).map(as_json),
    mutated_json(ENGINE_CONFIG).map(as_json),
    mutated(TARS[0], GZIPS[0], most_edits=1),
)
def test_the_archive_of_an_engine(tmp_path: Path, manifest: bytes, config: bytes, layer: bytes) -> None:
    bounded(lambda: read_saved_image(tmp_path, manifest, config, layer))


def a_field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


VERTEX = a_field(1, b"sha256:a") + a_field(3, b"[1/2] RUN x") + a_field(5, b"\x08\x01")
TRACE_DATA = a_field(1, VERTEX) + a_field(3, a_field(1, b"sha256:a") + a_field(4, b"out\rput\n"))
ROWS = (
    {"id": TRACE, "aux": base64.b64encode(TRACE_DATA).decode()},
    {"aux": {"ID": "sha256:" + "0" * 64}},
    {"stream": "Step 1/2 : FROM base\n"},
    {"errorDetail": {"code": 1, "message": "failed"}, "error": "failed"},
)


@fuzzed
@given(
    st.lists(mutated_json(*ROWS).map(as_json) | mutated(*map(as_json, ROWS)), max_size=4),
    mutated(TRACE_DATA),
    st.integers(1, 99),
)
def test_the_progress_of_an_engine(rows: list[bytes], trace: bytes, piece: int) -> None:
    """Rows as they come over HTTP, in pieces, and what is said of a failure in the end."""
    last = as_json({"id": TRACE, "aux": base64.b64encode(trace).decode()})
    data = b"\n".join([as_json(ROWS[0]), *rows, last])
    dockerfile = parse_dockerfile(b"FROM base\nRUN x\n", "Dockerfile")

    def read() -> str:
        progress = Progress(lambda line: None)
        for row in json_rows(data[at : at + piece] for at in range(0, len(data), piece)):
            read_row(row, progress)
        progress.flush()
        return explain_failure(progress, dockerfile).render()

    assert isinstance(bounded(read), str)


@fuzzed
@given(
    mutated(
        b"#1 [1/2] FROM base\n#1 DONE 0.1s\n#2 [2/2] RUN x\n#2 0.100 out\n#2 ERROR: exit code: 1\nERROR: failed to solve: x\n"
    )
)
def test_the_plain_progress_of_buildx(data: bytes) -> None:
    dockerfile = parse_dockerfile(b"FROM base\nRUN x\n", "Dockerfile")

    def read() -> str:
        progress = Progress(lambda line: None)
        for line in data.decode("utf-8", "replace").split("\n"):
            read_plain(line, progress)
        progress.flush()
        return explain_failure(progress, dockerfile).render()

    assert isinstance(bounded(read), str)


@pytest.mark.parametrize("dockerfile", [*DOCKERFILES, READS_ALL])
@pytest.mark.parametrize("tar", TARS, ids=["ustar", "gnu", "pax"])
@pytest.mark.parametrize("config", [None, CONFIG], ids=["no config", "a config"])
def test_each_sample_is_built_before_it_is_mutated(tmp_path: Path, dockerfile: bytes, tar: bytes, config: Any) -> None:
    """A mutation of what is refused at once would test nothing behind that check."""
    assert build_of(tmp_path, dockerfile, tar, config).layers


def test_each_sample_is_read_before_it_is_mutated(tmp_path: Path) -> None:
    for number, data in enumerate((*DOCKERFILES, WITH_RUN)):
        assert parse_dockerfile(data, "Dockerfile"), number
    for packed in GZIPS:
        assert read_layer(tmp_path, packed).get("etc/passwd")
    for layer in (TARS[0], GZIPS[0]):
        _, (found,) = read_saved_image(tmp_path, as_json(ENGINE_MANIFEST), as_json(ENGINE_CONFIG), layer)
        assert found.diff_id == Digest.of(TARS[0])
    assert parse_facts(FACTS).count == facts_from_config(as_json(TELLING), [Digest.of(b"a")]).count > 0
