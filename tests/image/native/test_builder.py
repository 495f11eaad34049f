"""The native builder: the content of its images, and that they are the same on every machine."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.errors import BuildError, NeedsEngine, RemoteError
from shipit.image.build import build_image
from shipit.image.build_tools import BuildTools
from shipit.image.context.folder import scan_context
from shipit.image.context.ignore import IgnoreRules, Position
from shipit.image.image import BuiltImage, SourceImage
from shipit.image.layers.layer import open_members, pack_layer
from shipit.image.options import BuildOptions
from shipit.image.store.content_store import ContentStore
from shipit.reference import ImageRef


class Bases:
    """A source of bases that tests add: name -> image."""

    def __init__(self, store: ContentStore) -> None:
        self.store = store
        self.images: dict[str, SourceImage] = {}

    def add(self, name: str, files: dict[str, str | None], config: dict[str, Any] | None = None) -> None:
        """Add a base of one layer. A name that ends in / is a folder; `-> x` as content is a link."""
        with io.BytesIO() as buffer:
            with tarfile.open(fileobj=buffer, mode="w") as tar:
                for path, content in files.items():
                    info = tarfile.TarInfo(path)
                    if path.endswith("/"):
                        info.type, info.mode = tarfile.DIRTYPE, 0o1777
                    elif content and content.startswith("-> "):
                        info.type, info.linkname = tarfile.SYMTYPE, content[3:]
                    info.size = len((content or "").encode()) if info.isreg() else 0
                    tar.addfile(info, io.BytesIO((content or "").encode("utf-8", "surrogateescape")))
            layer = pack_layer([buffer.getvalue()], self.store)
        full = {
            "architecture": "amd64",
            "os": "linux",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        }
        self.images[name] = SourceImage(ImageRef("base", name), json.dumps(full).encode(), (layer,), "oci")

    def pulled_from(self, ref: ImageRef) -> ImageRef:
        return ref

    def resolve(self, ref: ImageRef, platform: str) -> SourceImage:
        if ref.repository not in self.images:
            raise RemoteError(f"there is no {ref}", where=f"HEAD {ref.registry}", hint="check its name and tag")
        return self.images[ref.repository]

    def blob(self, ref: ImageRef, digest: str) -> Iterator[bytes]:
        raise AssertionError("every layer is in the store")


class Builder:
    def __init__(self, folder: Path, store: ContentStore | None = None) -> None:
        self.folder = folder / "context"
        self.folder.mkdir(parents=True)
        self.store = store or ContentStore(folder / "store")
        self.bases = Bases(self.store)

    def write(self, path: str, text: str = "", mode: int = 0o644) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def build(self, dockerfile: str, **options: Any) -> BuiltImage:
        file = self.folder / "Dockerfile"
        if not file.exists() or file.read_text() != dockerfile:
            self.write("Dockerfile", dockerfile)
        asked = BuildOptions(self.folder, self.folder / "Dockerfile", **options)
        return build_image("app", asked, self.tools())

    def tools(self) -> BuildTools:
        engine = Engine(EngineAddress("unix:///nowhere.sock"), {})
        return BuildTools(self.store, self.bases, lambda: engine, lambda event: None)

    def files(self, image: BuiltImage) -> dict[str, tarfile.TarInfo]:
        """Members by name over all layers; the topmost one counts."""
        found: dict[str, tarfile.TarInfo] = {}
        for layer in image.layers:
            with tarfile.open(self.store.path(layer.digest)) as tar:
                found |= {member.name: member for member in tar}
        return found

    def text(self, image: BuiltImage, name: str) -> str:
        for layer in reversed(image.layers):
            with tarfile.open(self.store.path(layer.digest)) as tar:
                if name in tar.getnames():
                    file = tar.extractfile(name)
                    assert file is not None
                    return file.read().decode()
        raise KeyError(name)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def test_the_same_files_give_the_same_image_everywhere(tmp_path: Path) -> None:
    images = []
    for name, umask in (("one", 0o022), ("two", 0o002)):
        before = os.umask(umask)
        try:
            (tmp_path / name).mkdir()
            builder = Builder(tmp_path / name)
            (builder.folder / "bin").mkdir()
            for path, mode in (("bin/run", 0o777), ("z.txt", 0o666), ("ünïcode-" + "x" * 120, 0o666)):
                file = builder.folder / path
                file.write_text(path)
                file.chmod(mode & ~umask)
            (builder.folder / "link").symlink_to("z.txt")
            images.append(builder.build('FROM scratch\nWORKDIR /app\nCOPY . .\nENV A=b\nCMD ["/app/bin/run"]\n'))
        finally:
            os.umask(before)
    assert images[0].config == images[1].config
    diff_ids = [layer.diff_id for layer in images[0].layers]
    assert diff_ids == [layer.diff_id for layer in images[1].layers]
    # Pinned to detect changes of a layer's bytes, which would invalidate every user's cache.
    assert images[0].config_digest == "sha256:77a052936b2302fe4a59b7fca811cca2e3f4a01615741bec8ab76df23371643e"


def test_modes_owners_and_times(builder: Builder) -> None:
    builder.write("tool", "#!/bin/sh\n", 0o775)
    image = builder.build("FROM scratch\nCOPY tool /bin/tool\nCOPY --chown=1000:100 --chmod=600 tool /own/tool\n")
    files = builder.files(image)
    assert (files["bin/tool"].mode, files["bin/tool"].uid, files["bin/tool"].mtime) == (0o755, 0, 1283598621)
    assert (files["own/tool"].mode, files["own/tool"].uid, files["own/tool"].gid) == (0o600, 1000, 100)
    # As in BuildKit, new folders above the destination get the same mode and owner.
    assert (files["own"].mode, files["own"].uid) == (0o600, 1000)


def test_settings_of_the_image(builder: Builder) -> None:
    image = builder.build(
        "ARG TAG=1\nFROM scratch\nARG TAG\nARG OTHER=x\nENV A=$TAG B=\"two words\" PATH=/x:$PATH\nLABEL k=\"$OTHER\"\n"
        "MAINTAINER someone\nWORKDIR /srv\nWORKDIR app\nUSER 1000\nEXPOSE 80 53/udp\nVOLUME [\"/data\"]\nSTOPSIGNAL SIGINT\n"
        "HEALTHCHECK --interval=5s --retries=2 CMD curl -f localhost\nSHELL [\"/bin/ash\", \"-c\"]\nENTRYPOINT run it\nCMD [\"a\"]\n",
        args={"OTHER": "given"},
    )  # fmt: skip
    assert image.runtime == {
        "Env": ["PATH=/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "B=two words"],
        "Labels": {"k": "given"},
        "WorkingDir": "/srv/app",
        "User": "1000",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 5_000_000_000, "Retries": 2},
        "Shell": ["/bin/ash", "-c"],
        "Entrypoint": ["/bin/ash", "-c", "run it"],
        "Cmd": ["a"],
    }


def test_the_maintainer_is_the_author(builder: Builder) -> None:
    image = builder.build("FROM scratch\nMAINTAINER me <me@example.com>\n")
    assert json.loads(image.config)["author"] == "me <me@example.com>"


def test_entrypoint_removes_the_command_of_the_base(builder: Builder) -> None:
    builder.bases.add("library/base", {"x": "y"}, {"Cmd": ["base"], "Env": ["A=1"]})
    image = builder.build('FROM base\nENTRYPOINT ["mine"]\n')
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert image.runtime == {"Env": ["A=1", path], "Entrypoint": ["mine"]}
    assert builder.build('FROM base\nCMD ["c"]\nENTRYPOINT ["mine"]\n').runtime["Cmd"] == ["c"]


def test_stages_and_copies_between_them(builder: Builder) -> None:
    builder.bases.add("library/tools", {"usr/": None, "usr/bin/": None, "usr/bin/tool": "binary", "bin": "-> usr/bin"})
    builder.write("a.txt", "a")
    image = builder.build(
        "FROM tools AS build\nCOPY a.txt /out/\nCOPY <<EOF /out/b.txt\nb $HOME\nEOF\n"
        "FROM build AS unused\nCOPY missing /\nFROM scratch\nCOPY --from=build /out /app\nCOPY --from=tools /bin/tool /tool\nCOPY --from=0 /out/*.txt /flat/\n"
    )
    names = builder.files(image)
    assert {"app/a.txt", "app/b.txt", "tool", "flat/a.txt", "flat/b.txt"} <= set(names)
    assert builder.text(image, "tool") == "binary"
    assert builder.text(image, "app/b.txt") == "b \n"
    assert (
        builder.build("FROM tools AS one\nFROM scratch\n", stage="one").layers
        == builder.bases.images["library/tools"].layers
    )


def test_a_stage_inherits_the_arguments_of_its_base_stage(builder: Builder) -> None:
    image = builder.build(
        "FROM scratch AS one\nARG A=own\nFROM one AS two\nENV B=$A\nFROM scratch\nENV C=$A\n", stage="two"
    )
    assert image.runtime["Env"][1:] == ["B=own"]
    image = builder.build("FROM scratch AS one\nARG A=own\nFROM one AS two\nENV B=$A\n", args={"A": "given"})
    assert image.runtime["Env"][1:] == ["B=given"]


def test_folders_of_the_base_are_kept_and_links_followed(builder: Builder) -> None:
    builder.bases.add("library/base", {"tmp/": None, "run/": None, "var/": None, "var/run": "-> /run"})
    builder.write("f", "x")
    image = builder.build("FROM base\nCOPY f /tmp/f\nCOPY f /var/run/f\nWORKDIR /tmp\n")
    with tarfile.open(builder.store.path(image.layers[1].digest)) as tar:
        assert [(member.name, member.mode) for member in tar] == [("tmp", 0o1777), ("tmp/f", 0o644)]
    with tarfile.open(builder.store.path(image.layers[2].digest)) as tar:
        assert tar.getnames() == ["run", "run/f"]
    assert len(image.layers) == 3


def test_ignored_files_are_not_copied(builder: Builder) -> None:
    for path in ("keep", "secret.env", ".git/config", "deep/x.pyc", ".shipit/state"):
        builder.write(path, "x")
    builder.write(".dockerignore", "*.env\n.git\n**/*.pyc\nDockerfile\n.dockerignore\n")
    assert set(builder.files(builder.build("FROM scratch\nCOPY . /\n"))) == {"keep", "deep"}


def test_files_that_vanish_during_the_scan_are_skipped(builder: Builder) -> None:
    for path in ("keep", "gone", "away/file"):
        builder.write(path)
    (builder.folder / "link").symlink_to("gone")

    class Racing(IgnoreRules):
        """Rules that exclude nothing, and delete files while the context is scanned."""

        def decide(self, folder: Position, name: str) -> tuple[bool, Position]:
            if name in ("gone", "link"):
                (builder.folder / name).unlink()
            if name == "away":
                shutil.rmtree(builder.folder / name)
            return super().decide(folder, name)

    assert set(scan_context(builder.folder, Racing(), ())) == {"keep"}


def test_add_unpacks_local_archives(builder: Builder) -> None:
    with tarfile.open(builder.folder / "site.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("site/index.html")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"hi"))
    image = builder.build("FROM scratch\nADD site.tar.gz /www\nCOPY site.tar.gz /\n")
    assert builder.text(image, "www/site/index.html") == "hi"
    assert "site.tar.gz" in builder.files(image)


def test_a_zstd_archive_needs_an_engine(builder: Builder) -> None:
    (builder.folder / "x.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd rest")
    with pytest.raises(NeedsEngine, match="ADD: zstd archives are not unpacked natively") as caught:
        builder.build("FROM scratch\nADD x.tar.zst /\n")
    assert caught.value.where == "Dockerfile:2"
    assert "x.tar.zst" in builder.files(
        builder.build("FROM scratch\nCOPY x.tar.zst /\nADD --unpack=false x.tar.zst /\n")
    )


def test_an_archive_can_be_added_twice(builder: Builder) -> None:
    with tarfile.open(builder.folder / "big.tar", "w") as tar:
        for data in (b"first", b"last!" * 1_000_000):
            info = tarfile.TarInfo("x")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    image = builder.build("FROM scratch\n" + "".join(f"ADD big.tar /{number}/\n" for number in range(6)))
    assert len(image.layers) == 6
    assert {len(builder.text(image, f"{number}/x")) for number in range(6)} == {5_000_000}


def test_whiteout_names_and_special_files_are_refused(builder: Builder) -> None:
    with tarfile.open(builder.folder / "pipe.tar", "w") as tar:
        info = tarfile.TarInfo("pipe")
        info.type = tarfile.FIFOTYPE
        tar.addfile(info)
    builder.write("dir/.wh.x")
    for line, said in (
        (
            "ADD pipe.tar /",
            "Dockerfile:2: ADD: pipe is a device or a pipe, which is not copied natively\nhint: start a Docker engine, or name one with DOCKER_HOST: then shipit builds with it",
        ),
        (
            "COPY dir /",
            "Dockerfile:2: COPY: .wh.x has the prefix .wh., which marks removed files in layers\nhint: list it in .dockerignore",
        ),
    ):
        with pytest.raises(BuildError) as caught:
            builder.build(f"FROM scratch\n{line}\n")
        assert caught.value.render() == said


def test_replacing_a_folder_removes_its_content(builder: Builder) -> None:
    builder.bases.add("library/base", {"app/": None, "app/old": "old"})
    builder.write("f")
    with tarfile.open(builder.folder / "file.tar", "w") as tar:
        tar.add(builder.folder / "f", "app")
    image = builder.build("FROM base AS one\nCOPY f /app/own\nADD file.tar /\nFROM scratch\nCOPY --from=one / /\n")
    assert set(builder.files(image)) == {"app"}
    with pytest.raises(BuildError, match="/app is a file in the image, so it cannot contain files"):
        builder.build("FROM base\nADD file.tar /\nCOPY f /app/old\n")


def test_owner_names_are_looked_up_in_the_image(builder: Builder) -> None:
    builder.bases.add(
        "library/base", {"etc/": None, "etc/passwd": "app:x:1234:99::/:/bin/sh\n", "etc/group": "staff:x:50:\n"}
    )
    builder.write("f")
    files = builder.files(builder.build("FROM base\nCOPY --chown=app f /a\nCOPY --chown=app:staff f /b\n"))
    assert [(files[name].uid, files[name].gid) for name in "ab"] == [(1234, 99), (1234, 50)]


def test_triggers_of_the_base_run(builder: Builder) -> None:
    builder.bases.add("library/base", {"x": "y"}, {"OnBuild": ["COPY f /from-trigger"]})
    builder.write("f")
    image = builder.build("FROM base\nENV A=1\n")
    assert "from-trigger" in builder.files(image)
    assert "OnBuild" not in image.runtime


def test_a_second_build_compresses_nothing(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.write("f", "content")
    first = builder.build("FROM scratch\nCOPY f /\n")
    blobs = {path: path.stat().st_mtime_ns for path in (builder.store.root / "blobs/sha256").iterdir()}
    assert builder.build("FROM scratch\nCOPY f /\n") == first
    assert {path: path.stat().st_mtime_ns for path in (builder.store.root / "blobs/sha256").iterdir()} == blobs


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        (
            "FROM scratch\nRUN make\n",
            "Dockerfile:2: RUN needs an engine, and none answers at unix:///nowhere.sock: no such file or directory\n"
            "hint: start Docker, or set DOCKER_HOST to a running engine; without one, shipit builds only Dockerfiles without RUN",
        ),
        (
            "FROM scratch\nCOPY nope /\n",
            "Dockerfile:2: COPY: 'nope' does not exist\nhint: check the path, and .dockerignore",
        ),
        (
            "FROM nowhere\n",
            "Dockerfile:1: the base nowhere: there is no docker.io/library/nowhere\n  at HEAD docker.io\nhint: check its name and tag",
        ),
        (
            "FROM scratch\nCOPY Dockerfile a b\n",
            "Dockerfile:2: COPY: 'a' does not exist\nhint: check the path, and .dockerignore",
        ),
        ("COPY a b\n", "Dockerfile:1: COPY is before FROM\nhint: begin with FROM"),
        ("ARG A\n", "Dockerfile: has no FROM\nhint: it should begin with FROM"),
        (
            "FROM scratch\nEXPOSE http\n",
            "Dockerfile:2: EXPOSE should name ports such as 8080, 8000-8010 or 53/udp, found 'http'",
        ),
        ("FROM scratch\nENV A\n", "Dockerfile:2: should be NAME=value, found 'A'"),
        (
            "FROM scratch\nCOPY --chown=bob Dockerfile /\n",
            "Dockerfile:2: COPY: the image has no 'bob' in /etc/passwd\nhint: use a number",
        ),
        ("FROM scratch\nHEALTHCHECK yes\n", "Dockerfile:2: HEALTHCHECK should be NONE, or CMD and a command"),
        (
            "FROM ${NOPE}\n",
            "Dockerfile:1: FROM should name an image, and ${NOPE} is empty\nhint: an ARG in it may be empty: give it a default above FROM",
        ),
    ],
)
def test_errors_name_line_and_hint(builder: Builder, dockerfile: str, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        builder.build(dockerfile)
    assert caught.value.render() == message


def test_a_missing_dockerfile_is_an_error(builder: Builder) -> None:
    options = BuildOptions(builder.folder, builder.folder / "Dockerfile")
    with pytest.raises(BuildError) as caught:
        build_image("app", options, builder.tools())
    assert caught.value.what == "there is no Dockerfile"
    assert caught.value.hint == "write one, or name it with build: dockerfile:"


def test_a_damaged_layer_on_disk_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"x" * 100_000)
    for data in (b"", b"no gzip", whole[:50], whole[:20] + bytes(30) + whole[50:]):
        (tmp_path / "layer").write_bytes(data)
        with pytest.raises(BuildError) as caught:
            list(open_members(tmp_path / "layer"))
        assert "can't be read as a layer" in caught.value.render()
