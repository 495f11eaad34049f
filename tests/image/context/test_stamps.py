"""File stamps: unchanged files are not read again, and changed ones always are."""

from __future__ import annotations

import io
import os
import random
import shutil
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.image.image import BuiltImage
from shipit.image.store.content_store import ContentStore
from tests.image.native.test_builder import Builder

DOCKERFILE = "FROM scratch\nCOPY lib /lib\nCOPY top other /files/\nCOPY lib/a /a\n"


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def _write_files(builder: Builder) -> None:
    for path in ("lib/a", "lib/b", "lib/deep/c", "top", "other"):
        builder.write(path, f"{path} 0")


def age(folder: Path) -> None:
    """Wait until every file of the context counts as settled."""
    newest = max(file.lstat().st_ctime for file in folder.rglob("*"))
    time.sleep(max(0.0, newest + 0.15 - time.time()))


class Opened:
    """Records every file that is opened below a folder, except for the Dockerfile and .dockerignore.

    Audit hooks cannot be removed, so there is only one.
    """

    def __init__(self) -> None:
        self.below: Path | None = None
        self.paths: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and self.below and str(arguments[0]).startswith(f"{self.below}/"):
            path = str(arguments[0]).removeprefix(f"{self.below}/")
            if path not in ("Dockerfile", ".dockerignore"):
                self.paths.append(path)


OPENED = Opened()


@pytest.fixture
def read(builder: Builder) -> Iterator[list[str]]:
    """The files of the context that were opened."""
    OPENED.below, OPENED.paths = builder.folder, []
    yield OPENED.paths
    OPENED.below = None


def _blobs(builder: Builder) -> dict[str, int]:
    """The inodes of the layers in the store: a layer that is compressed again gets another one."""
    return {path.name: path.stat().st_ino for path in (builder.store.root / "blobs/sha256").iterdir()}


def _without_cache(builder: Builder, folder: Path) -> BuiltImage:
    builder.store = builder.bases.store = ContentStore(folder)
    return builder.build(DOCKERFILE)


def test_unchanged_files_are_not_read(builder: Builder, read: list[str]) -> None:
    _write_files(builder)
    age(builder.folder)
    read.clear()
    first = builder.build(DOCKERFILE)
    assert sorted(read) == ["lib/a", "lib/a", "lib/b", "lib/deep/c", "other", "top"], "each once for each layer"
    read.clear()
    assert builder.build(DOCKERFILE) == first
    assert not read


def test_only_the_layer_of_a_changed_file_is_read(builder: Builder, read: list[str]) -> None:
    _write_files(builder)
    age(builder.folder)
    builder.build(DOCKERFILE)
    for text in ("changed", "changes", "of another size"):
        builder.write("lib/b", text)
        age(builder.folder)
        read.clear()
        before = _blobs(builder)
        builder.build(DOCKERFILE)
        assert sorted(read) == ["lib/a", "lib/b", "lib/deep/c"], "once, since most of them did not change"
        assert len(_blobs(builder).items() - before.items()) == 1
        read.clear()
        builder.build(DOCKERFILE)
        assert not read


def test_a_fresh_checkout_is_hashed_and_not_compressed(builder: Builder, read: list[str]) -> None:
    _write_files(builder)
    first, packed = builder.build(DOCKERFILE), _blobs(builder)
    shutil.rmtree(builder.folder)
    builder.folder.mkdir()
    _write_files(builder)
    age(builder.folder)
    read.clear()
    assert builder.build(DOCKERFILE) == first
    assert len(read) == 6
    assert _blobs(builder) == packed
    read.clear()
    builder.build(DOCKERFILE)
    assert not read


def test_recently_modified_files_are_read_again(builder: Builder, read: list[str]) -> None:
    _write_files(builder)
    for file in (builder.folder / "lib").rglob("*"):
        os.utime(file, (time.time() + 3600, time.time() + 3600))
    builder.build(DOCKERFILE)
    packed = _blobs(builder)
    for _ in range(2):
        read.clear()
        builder.build(DOCKERFILE)
        assert [path for path in sorted(read) if path.startswith("lib/")] == ["lib/a", "lib/a", "lib/b", "lib/deep/c"]
        assert _blobs(builder) == packed


@pytest.mark.parametrize("year_s", [-(10**9), 0, 13 * 10**9])
def test_files_of_any_age_are_settled_or_read_again(builder: Builder, read: list[str], year_s: int) -> None:
    _write_files(builder)
    for file in builder.folder.rglob("*"):
        os.utime(file, (year_s, year_s))
    age(builder.folder)
    first = builder.build(DOCKERFILE)
    read.clear()
    assert builder.build(DOCKERFILE) == first
    assert bool(read) == (year_s > time.time()), "what is newer than now may change unseen"


def test_a_touched_file_gives_the_same_layer(builder: Builder) -> None:
    _write_files(builder)
    age(builder.folder)
    first = builder.build(DOCKERFILE)
    os.utime(builder.folder / "lib/b")
    assert builder.build(DOCKERFILE) == first
    os.utime(builder.folder / "top")
    os.utime(builder.folder / "other")
    packed = _blobs(builder)
    assert builder.build(DOCKERFILE) == first
    assert _blobs(builder) == packed, "all files of a layer were touched: it may well be known"


@pytest.mark.parametrize("kind", ["shapes", "layers"])
def test_invalid_memos_are_ignored(builder: Builder, kind: str) -> None:
    _write_files(builder)
    first = builder.build(DOCKERFILE)
    for broken in ("null", '"x"', '"****"', "[]", "{", "7", "{}", '{"digest": 1}', '{"digest": "sha256:0"}'):
        notes = list((builder.store.root / "memo" / kind).iterdir())
        assert notes
        for note in notes:
            note.write_text(broken)
        assert builder.build(DOCKERFILE) == first, broken


def test_a_layer_missing_from_the_cache_is_rebuilt(builder: Builder) -> None:
    _write_files(builder)
    age(builder.folder)
    first = builder.build(DOCKERFILE)
    for layer in first.layers:
        builder.store.path(layer.digest).unlink()
    assert builder.build(DOCKERFILE) == first
    assert all(builder.store.has(layer.digest) for layer in first.layers)


def _turn_round(file: Path) -> None:
    """Other content of the same size."""
    file.write_text(file.read_text()[::-1])


def _turn_round_unseen(file: Path) -> None:
    before = file.stat()
    _turn_round(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(file: Path) -> None:
    beside, before = file.with_name("beside"), file.stat()
    beside.write_text(file.read_text()[::-1])
    os.utime(beside, ns=(before.st_atime_ns, before.st_mtime_ns))
    beside.replace(file)


def _rewrite(file: Path) -> None:
    file.unlink()
    file.write_text("back")


def _link_instead(file: Path) -> None:
    file.unlink()
    file.symlink_to("elsewhere")


def _folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "in").write_text("in")


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda file: None,
    "content": lambda file: file.write_text("another"),
    "content of the same size": _turn_round,
    "content, its times put back": _turn_round_unseen,
    "another of the same size and times": _replace,
    "mode": lambda file: file.chmod(file.stat().st_mode ^ 0o100),
    "gone and back": _rewrite,
    "link instead": _link_instead,
    "folder instead": _folder_instead,
}


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("is_old", [True, False], ids=["old", "young"])
def test_every_change_is_detected(builder: Builder, tmp_path: Path, change: str, *, is_old: bool) -> None:
    _write_files(builder)
    if is_old:
        age(builder.folder)
    builder.build(DOCKERFILE)
    CHANGES[change](builder.folder / "lib/deep/c")
    if is_old:
        age(builder.folder)
    with_cache = builder.build(DOCKERFILE)
    assert with_cache == _without_cache(builder, tmp_path / "fresh")


@pytest.mark.slow
def test_random_edits_give_the_image_of_a_build_without_cache(builder: Builder, tmp_path: Path) -> None:
    dice = random.Random(11)
    _write_files(builder)
    names = ["lib/a", "lib/b", "lib/deep/c", "top", "other"]
    cached = builder.store
    for turn in range(60):
        file = builder.folder / dice.choice(names)
        change = dice.choice([name for name in CHANGES if not name.endswith("instead")])
        CHANGES[change](file)
        if dice.random() < 0.3:
            age(builder.folder)
        builder.store = builder.bases.store = cached
        with_cache = builder.build(DOCKERFILE)
        fresh = tmp_path / f"fresh-{turn}"
        assert with_cache == _without_cache(builder, fresh), (turn, change, file)
        shutil.rmtree(fresh)


def test_files_copied_from_an_image_are_not_read_again(builder: Builder) -> None:
    builder.bases.add("library/tools", {"bin/": None, "bin/tool": "a tool", "bin/other": "another"})
    dockerfile = (
        "FROM scratch\nCOPY --from=tools /bin /bin\nCOPY --from=tools /bin/tool /one\nCOPY <<EOF /here\ntext\nEOF\n"
    )
    first = builder.build(dockerfile)
    (blob,) = (layer.digest for layer in builder.bases.images["library/tools"].layers)
    builder.store.path(blob).unlink()
    assert builder.build(dockerfile) == first, "neither fetched nor read: it is known by where it comes from"
    assert builder.build(dockerfile.replace("text", "more")).layers[:2] == first.layers[:2]


def test_owners_are_looked_up_in_files_copied_from_an_image(builder: Builder) -> None:
    builder.bases.add("library/users", {"etc/": None, "etc/passwd": "bob:x:7:8::/:/bin/sh\n"})
    builder.write("f")
    image = builder.build("FROM scratch\nCOPY --from=users /etc/passwd /etc/passwd\nCOPY --chown=bob f /f\n")
    member = builder.files(image)["f"]
    assert (member.uid, member.gid) == (7, 8)


def test_empty_files_of_an_archive_are_not_hard_links(builder: Builder) -> None:
    with tarfile.open(builder.folder / "a.tar", "w") as archive:
        for name, text in (("one", b""), ("two", b""), ("three", b"x" * 3_000_000), ("four", b"")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.LNKTYPE, "three"
        archive.addfile(link)
    image = builder.build("FROM scratch\nADD a.tar /\nCOPY a.tar /again\n")
    files = builder.files(image)
    empty = [files[name] for name in ("one", "two", "four")]
    assert all(member.isreg() and member.size == 0 for member in empty)
    assert {name for name, member in files.items() if member.islnk()} == {"three"}, "the second by name of the two"
    assert files["link"].size == 3_000_000
    assert builder.build("FROM scratch\nADD a.tar /\nCOPY a.tar /again\n") == image
