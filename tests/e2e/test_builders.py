"""The native builder and an engine give the same tree and config for the same Dockerfile."""

from __future__ import annotations

import os
import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.image.build import build_image
from shipit.image.build_tools import BuildTools
from shipit.image.image import BuiltImage
from shipit.image.options import BuildOptions
from shipit.image.store.content_store import ContentStore
from shipit.image.withheld import Withheld, node_of
from tests.image.native.test_builder import Bases
from tests.sampled import sampled
from tests.servers.buildkit import BuildKit
from tests.servers.engine import DockerEngine, install_buildx, path_without_docker

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
    # `Image` is the engine's own note of what it built last; `ArgsEscaped` means something on Windows only.
    own = ("Image", "ArgsEscaped")
    return {
        key: value for key, value in image.runtime.items() if key not in own and value not in (None, "", [], {}, False)
    }


def _build(
    context: Path, store: ContentStore, builder: str, host: str, variables: dict[str, str], lines: list[str]
) -> BuiltImage:
    options = BuildOptions(context, context / "Dockerfile", builder=builder)  # type: ignore[arg-type]
    return _built(options, store, Engine(EngineAddress(host), variables), lines)


def _built(options: BuildOptions, store: ContentStore, engine: Engine, lines: list[str]) -> BuiltImage:
    tools = BuildTools(store, Bases(store), lambda: engine, lambda event: lines.append(str(event)))
    return build_image("a", options, tools)


@pytest.mark.sampled
@pytest.mark.parametrize("instructions", sampled(DOCKERFILES, 10, of="engine"))
def test_both_builders_agree(context: Path, tmp_path: Path, engine: DockerEngine, instructions: str) -> None:
    """The engine's BuildKit over HTTP: the Dockerfile is part of its context."""
    (context / ".dockerignore").write_text("node_modules\n")
    (context / "Dockerfile").write_text(f"FROM scratch\n{instructions}\n")
    store = ContentStore(tmp_path / "store")
    native, other = (_build(context, store, name, engine.host, dict(os.environ), []) for name in ("native", "engine"))
    assert other.builder == "the engine's BuildKit: builder: engine"
    assert _tree(native, store) == _tree(other, store)
    assert _config(native) == _config(other)


@pytest.mark.sampled
@pytest.mark.parametrize("instructions", sampled(DOCKERFILES, 10, of="buildx"))
def test_buildx_agrees(context: Path, tmp_path: Path, modern_engine: DockerEngine, instructions: str) -> None:
    """buildx with an engine whose images are in containerd; the Dockerfile and the rules leave themselves out."""
    (context / ".dockerignore").write_text("node_modules\nDockerfile\n.dockerignore\n")
    (context / "Dockerfile").write_text(f"FROM scratch\n{instructions}\n")
    (context / ".shipit").mkdir(exist_ok=True)
    (context / ".shipit/state").write_text("never in an image")
    install_buildx(tmp_path / "docker")
    variables = {**os.environ, "DOCKER_CONFIG": str(tmp_path / "docker"), "DOCKER_HOST": modern_engine.host}
    store = ContentStore(tmp_path / "store")
    native, other = (_build(context, store, name, modern_engine.host, variables, []) for name in ("native", "buildx"))
    assert other.builder == "docker buildx: builder: buildx"
    assert _tree(native, store) == _tree(other, store)
    assert _config(native) == _config(other)


@pytest.mark.parametrize("builder", ["native", "engine", "buildx"])
def test_what_is_ours_is_left_out(tmp_path: Path, modern_engine: DockerEngine, builder: str) -> None:
    odd = "#a [b] *?/!c\\d "
    for path in ("kept", "#a [b] *?/kept", f"{odd}/blob", ".shipit/state"):
        (tmp_path / "context" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "context" / path).write_text(path)
    (tmp_path / "context/Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / "context/.dockerignore").write_text("Dockerfile\n.dockerignore\n!.shipit\n")
    install_buildx(tmp_path / "docker")
    variables = {**os.environ, "DOCKER_CONFIG": str(tmp_path / "docker"), "DOCKER_HOST": modern_engine.host}
    context, store = tmp_path / "context", ContentStore(tmp_path / "store")
    options = BuildOptions(context, context / "Dockerfile", builder=builder, left_out=(".shipit", odd))  # type: ignore[arg-type]
    built = _built(options, store, Engine(EngineAddress(modern_engine.host), variables), [])
    assert set(_tree(built, store)) == {"/kept", "/#a [b] *?", "/#a [b] *?/kept"}


@pytest.mark.parametrize("builder", ["native", "engine", "buildx"])
def test_what_is_withheld_is_left_out_however_it_is_reached(
    tmp_path: Path, modern_engine: DockerEngine, builder: str
) -> None:
    """By its path, its name anywhere, as a hard link, and as a copy; what .dockerignore takes back included."""
    context = tmp_path / "context"
    for path in ("kept", "token", ".git/HEAD", "sub/.git", "sub/copy", "we\nird \t"):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        (context / path).write_text("a secret of some length" if path in ("token", "sub/copy") else path)
    os.link(context / "token", context / "sub/link")
    os.link(context / "token", context / "we\nird \t2")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (context / ".dockerignore").write_text("Dockerfile\n.dockerignore\n!token\n!.git\n!sub/*\n")
    data = (context / "token").read_bytes()
    node = node_of(context / "token")
    assert node is not None
    withheld = Withheld(
        paths={"token": "a secret"},
        names={".git": "git's own"},
        nodes={node: "a secret"},
        contents={len(data): {sha256(data).digest(): "a copy"}},
    )
    install_buildx(tmp_path / "docker")
    variables = {**os.environ, "DOCKER_CONFIG": str(tmp_path / "docker"), "DOCKER_HOST": modern_engine.host}
    store = ContentStore(tmp_path / "store")
    options = BuildOptions(context, context / "Dockerfile", builder=builder, withheld=withheld)  # type: ignore[arg-type]
    built = _built(options, store, Engine(EngineAddress(modern_engine.host), variables), [])
    assert set(_tree(built, store)) == {"/kept", "/sub", "/we\nird \t"}
    assert set(withheld.found) == {"token", ".git", "sub/.git", "sub/copy", "sub/link", "we\nird \t2"}


@pytest.mark.parametrize("ignored", ["node_modules\nDockerfile\n", "node_modules\nDockerfile\n.dockerignore\n", None])
def test_a_dockerfile_outside_its_context_is_not_copied(
    context: Path, tmp_path: Path, engine: DockerEngine, ignored: str | None
) -> None:
    """Without buildx the classic builder is the one that can leave it out."""
    dockerfile = context / "Dockerfile" if ignored else tmp_path / "Dockerfile"
    (context / "Dockerfile").unlink(missing_ok=True)
    dockerfile.write_text("FROM scratch\nCOPY . /app\n")
    (context / ".dockerignore").unlink(missing_ok=True)
    if ignored:
        (context / ".dockerignore").write_text(ignored)
    store = ContentStore(tmp_path / "store")
    trees = []
    for builder in ("native", "engine"):
        options = BuildOptions(context, dockerfile, builder=builder)
        variables = {"PATH": path_without_docker(tmp_path / "bin")} if builder == "engine" else {}
        built = _built(options, store, Engine(EngineAddress(engine.host), variables), [])
        trees.append(_tree(built, store))
    assert built.builder.startswith("the engine's classic builder: builder: engine, its Dockerfile is not in its")
    assert trees[0] == trees[1]
    assert "/app/Dockerfile" not in trees[0] and "/app/.shipit.Dockerfile" not in trees[0]


def test_the_builder_that_was_chosen_with_buildx_is_used(
    tmp_path: Path, engine: DockerEngine, buildkit: BuildKit
) -> None:
    """The engine's own BuildKit knows nothing of COPY --parents."""
    install_buildx(tmp_path / "docker")
    variables = {**os.environ, "DOCKER_CONFIG": str(tmp_path / "docker"), "DOCKER_HOST": engine.host}
    context, store = tmp_path / "context", ContentStore(tmp_path / "store")
    (context / "deep").mkdir(parents=True)
    (context / "deep/a").write_text("a")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY --parents deep/a /x/\n")
    create = ["docker", "buildx", "create", "--name", "mine", "--driver", "remote", "--use", buildkit.address]
    subprocess.run(create, env=variables, check=True, capture_output=True)
    built = _build(context, store, "auto", engine.host, variables, [])
    assert built.builder == "docker buildx: COPY --parents at Dockerfile:2, its builder mine"
    assert set(_tree(built, store)) == {"/x", "/x/deep", "/x/deep/a"}
