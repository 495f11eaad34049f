"""The native builder and an engine give the same tree and config for the same Dockerfile."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from shipit.image.build import build_image
from shipit.image.engine import Engine
from shipit.image.image import BuiltImage
from shipit.image.options import BuildOptions
from shipit.image.store import ContentStore
from tests.image.test_native import Bases
from tests.servers.engine import DockerEngine

pytestmark = pytest.mark.engine

DOCKERFILES = [
    "COPY a.txt /",
    "COPY a.txt /b/c/",
    "COPY a.txt /b/c",
    "COPY dir /d",
    "COPY dir a.txt /d/",
    "COPY . /app",
    "WORKDIR /app\nCOPY . .",
    "COPY d* /x/",
    "COPY dlink /q",
    'COPY ["x y.txt", "/sp ace/"]',
    "ADD t.tar.gz /t",
    "ADD a.txt t.tar.gz /t/",
    "COPY --chown=10:20 dir /d",
    "COPY --chown=7 a.txt /n/e/w",
    "COPY dir /d\nCOPY a.txt /d",
    "COPY dir /d\nCOPY dir /d/sub\nCOPY a.txt /d/one",
    "COPY dir /d\nFROM scratch\nCOPY --from=0 /d/sub /s\nCOPY --from=0 /d/link /l",
    'ARG P=/opt\nENV Q=$P/z R="a b"\nWORKDIR $Q\nCOPY run.sh ${Q}/bin/',
    "COPY empty /e",
    "COPY dir/*/two /w/",
    "WORKDIR /a/b\nWORKDIR c\nUSER 3:4\nWORKDIR /u\nCOPY a.txt u/",
    'ENV A=1 B=$A\nENV C=$A\nLABEL x=y "q r"="s t"\nEXPOSE 80 90/udp\nVOLUME /v /w\nSTOPSIGNAL 9\nSHELL ["a","b"]\nCMD x y\nENTRYPOINT ["z"]\nCOPY a.txt /',
    'COPY a.txt /\nHEALTHCHECK --interval=1m30s --timeout=3s --start-period=5s --retries=4 CMD ["h", "i"]\nONBUILD COPY . /',
    "COPY a.txt /\nENV PATH=/x:$PATH\nENV X=${NOPE:-d}${A:+n} Y=a\\ b Z='$X'\nUSER root\nMAINTAINER me <a@b>",
]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    for path, mode in (
        ("a.txt", 0o644),
        ("run.sh", 0o755),
        ("dir/one", 0o644),
        ("dir/sub/two", 0o600),
        ("x y.txt", 0o644),
        ("node_modules/m/i.js", 0o644),
    ):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        file.chmod(mode)
    (folder / "dir/link").symlink_to("one")
    (folder / "dlink").symlink_to("dir")
    (folder / "empty").mkdir()
    with tarfile.open(folder / "t.tar.gz", "w:gz") as archive:
        archive.add(folder / "dir", arcname="packed")
    (folder / ".dockerignore").write_text("node_modules\nDockerfile\n")
    return folder


def _tree(image: BuiltImage, store: ContentStore) -> dict[str, Any]:
    """name -> type, mode, owner, link and content, over all layers; times apart."""
    found: dict[str, Any] = {}
    for layer in image.layers:
        with tarfile.open(store.path(layer.digest)) as archive:
            for member in archive:
                source = archive.extractfile(member) if member.isreg() else None
                mode = 0 if member.issym() else member.mode & 0o7755
                name = os.path.normpath(f"/{member.name}")
                found[name] = (
                    member.isdir(),
                    member.issym(),
                    mode,
                    member.uid,
                    member.gid,
                    member.linkname,
                    source.read() if source else b"",
                )
    found.pop("/", None)
    return found


def _config(image: BuiltImage) -> dict[str, Any]:
    # `Image` is the engine's own note of what it built last.
    return {
        key: value for key, value in image.runtime.items() if key != "Image" and value not in (None, "", [], {}, False)
    }


@pytest.mark.parametrize("instructions", DOCKERFILES)
def test_both_builders_agree(context: Path, tmp_path: Path, engine: DockerEngine, instructions: str) -> None:
    (context / "Dockerfile").write_text(f"FROM scratch\n{instructions}\n")
    store = ContentStore(tmp_path / "store")
    native, engines = (
        build_image(
            "a",
            BuildOptions(context, context / "Dockerfile", builder=builder),
            store,
            Bases(store),
            Engine(engine.host),
            lambda event: None,
        )
        for builder in ("native", "engine")
    )
    assert _tree(native, store) == _tree(engines, store)
    assert _config(native) == _config(engines)
