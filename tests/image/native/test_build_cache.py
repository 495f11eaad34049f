"""The cache of whole builds: used when no input changed, and never when one did."""

from __future__ import annotations

import json
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import BuildError, Interrupted
from shipit.image.image import BuiltImage, SourceImage
from shipit.reference import ImageRef
from tests.image.context.test_stamps import age
from tests.image.native.test_builder import Bases, Builder

DOCKERFILE = (
    "ARG VERSION=1\nFROM tools AS made\nCOPY one /srv/one\nFROM small\nCOPY --from=made /srv /srv\nCOPY two /\n"
)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    builder = Builder(tmp_path)
    builder.bases.add("library/tools", {"srv/": None, "srv/tool": "a tool"})
    builder.bases.add("library/small", {"etc/": None})
    builder.write("one", "1")
    builder.write("two", "2")
    builder.write("Dockerfile", DOCKERFILE)
    age(builder.folder)
    return builder


def memos(builder: Builder, kind: str) -> list[Path]:
    return sorted((builder.store.root / "memo" / kind).glob("*.json"))


def built_anew(builder: Builder, dockerfile: str = DOCKERFILE, **options: Any) -> tuple[BuiltImage, bool]:
    """The image, and whether it was built: only a build stores a new result."""
    before = memos(builder, "builds")
    times = [file.stat().st_ino for file in before]
    image = builder.build(dockerfile, **options)
    after = memos(builder, "builds")
    return image, after != before or [file.stat().st_ino for file in after] != times


def test_an_unchanged_build_is_read_from_the_cache(builder: Builder) -> None:
    first, is_new = built_anew(builder)
    assert is_new
    assert built_anew(builder) == (first, False)
    assert built_anew(builder, args={"VERSION": "2"}) == (first, True), "though it came to the same"


class Watched(Bases):
    """A source of bases that records requests."""

    asked: list[str]

    def resolve(self, ref: ImageRef, platform: str) -> SourceImage:
        self.asked.append(ref.repository)
        return super().resolve(ref, platform)


def watch(builder: Builder, asked: list[str]) -> None:
    images, builder.bases = builder.bases.images, Watched(builder.store)
    builder.bases.images, builder.bases.asked = images, asked


def test_each_base_is_resolved_once(builder: Builder) -> None:
    asked: list[str] = []
    watch(builder, asked)
    for _ in range(2):
        builder.build(DOCKERFILE + "COPY --from=tools /srv/tool /a\nCOPY --from=tools /srv/tool /b\n")
        age(builder.folder)
        assert sorted(asked) == ["library/small", "library/tools"]
        asked.clear()


def put_file(builder: Builder) -> None:
    builder.write("one", "x")


def put_mode(builder: Builder) -> None:
    (builder.folder / "one").chmod(0o755)


def put_link(builder: Builder) -> None:
    (builder.folder / "two").unlink()
    (builder.folder / "two").symlink_to("one")


def put_ignored(builder: Builder) -> None:
    builder.write(".dockerignore", "three\n")


def put_base(builder: Builder) -> None:
    builder.bases.add("library/small", {"etc/": None, "new": "in it"})


def put_tools(builder: Builder) -> None:
    builder.bases.add("library/tools", {"srv/": None, "srv/tool": "another tool"})


@pytest.mark.parametrize("change", [put_file, put_mode, put_link, put_ignored, put_base, put_tools])
def test_every_change_of_an_input_rebuilds(builder: Builder, tmp_path: Path, change: Callable[[Builder], None]) -> None:
    builder.build(DOCKERFILE)
    change(builder)
    age(builder.folder)
    image, is_new = built_anew(builder)
    (tmp_path / "fresh").mkdir()
    fresh = Builder(tmp_path / "fresh")
    fresh.folder, fresh.bases.images = builder.folder, builder.bases.images
    for layer in (layer for base in builder.bases.images.values() for layer in base.layers):
        fresh.store.put(builder.store.read(layer.digest) or b"")
    assert image == fresh.build(DOCKERFILE)
    assert is_new


@pytest.mark.parametrize(
    "options", [{"stage": "made"}, {"platform": "linux/arm64"}, {"created_s": 5}, {"args": {"VERSION": "3"}}]
)
def test_options_are_part_of_the_key(builder: Builder, options: dict[str, Any]) -> None:
    builder.build(DOCKERFILE)
    assert built_anew(builder, **options)[1]
    assert not built_anew(builder)[1]


def test_a_layer_missing_from_the_store_is_rebuilt(builder: Builder) -> None:
    first = builder.build(DOCKERFILE)
    lost = builder.store.path(first.layers[-1].digest)
    lost.unlink()
    assert builder.build(DOCKERFILE) == first
    assert lost.exists()


def test_builds_with_recently_modified_files_are_not_cached(builder: Builder) -> None:
    builder.write("one", "young")
    # However long the machine takes until it is read.
    soon = time.time() + 600
    os.utime(builder.folder / "one", (soon, soon))
    builder.build(DOCKERFILE)
    assert not memos(builder, "builds")


def test_builds_with_unpacked_archives_are_not_cached(builder: Builder) -> None:
    with tarfile.open(builder.folder / "all.tar", "w") as tar:
        tar.add(builder.folder / "one", "one")
    age(builder.folder)
    builder.build("FROM scratch\nADD all.tar /\n")
    assert not memos(builder, "builds")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'[["a"]]',
        b"[1]",
        b'{"config": "{}", "layers": [[1, 2]]}',
        b'{"config": 1, "layers": 2}',
    ],
)
@pytest.mark.parametrize("kind", ["builds", "recipes"])
def test_invalid_memos_are_ignored(builder: Builder, kind: str, nonsense: bytes) -> None:
    first = builder.build(DOCKERFILE)
    (file,) = memos(builder, kind)
    file.write_bytes(nonsense)
    assert builder.build(DOCKERFILE) == first
    assert json.loads(file.read_bytes()), "and written again"


def test_a_missing_base_fails_at_its_line(builder: Builder) -> None:
    builder.build(DOCKERFILE)
    del builder.bases.images["library/tools"]
    asked: list[str] = []
    watch(builder, asked)
    with pytest.raises(BuildError, match="the base tools: there is no") as caught:
        builder.build(DOCKERFILE)
    assert caught.value.where == "Dockerfile:2"
    assert asked.count("library/tools") == 1, "a registry that does not answer is waited for once"


def test_an_interrupt_while_resolving_a_base_is_raised(builder: Builder) -> None:
    builder.build(DOCKERFILE)

    class Stopping(Bases):
        def resolve(self, ref: ImageRef, platform: str) -> SourceImage:
            raise Interrupted

    builder.bases = Stopping(builder.store)
    with pytest.raises(Interrupted):
        builder.build(DOCKERFILE)


def test_an_unreadable_context_is_ignored_when_no_stage_needs_it(builder: Builder) -> None:
    builder.write("dir/x")
    dockerfile = 'FROM small AS unused\nCOPY one /\nFROM small\nCMD ["x"]\n'
    builder.write(".dockerignore", "[\n")
    assert builder.build(dockerfile).layers == builder.bases.images["library/small"].layers
