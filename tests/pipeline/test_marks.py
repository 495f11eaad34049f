"""Keyed hashes of values, one key for each place."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shipit.image.store.cache_bound import shrink
from shipit.pipeline.marks import Marks
from shipit.release import Place

HERE, THERE = Place("heroku", "app here"), Place("heroku", "app there")


def test_equal_values_of_one_place_have_equal_marks_in_every_run(tmp_path: Path) -> None:
    first, second = Marks(tmp_path / "keys"), Marks(tmp_path / "keys")
    assert first.mark(HERE, "value") == second.mark(HERE, "value")
    assert first.mark(HERE, "value") != first.mark(HERE, "other")
    assert first.mark(HERE, "value") != first.mark(THERE, "value"), "each place has a key of its own"


def test_another_machine_has_other_marks(tmp_path: Path) -> None:
    assert Marks(tmp_path / "a").mark(HERE, "value") != Marks(tmp_path / "b").mark(HERE, "value")


def test_keys_are_for_their_owner_only_and_not_named_after_the_place(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Marks(tmp_path / "keys").mark(HERE, "value")
    finally:
        os.umask(before)
    [key] = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert "here" not in key.name


@pytest.mark.parametrize("left", [b"", b"short"])
def test_a_key_that_is_cut_off_is_made_again(tmp_path: Path, left: bytes) -> None:
    before = Marks(tmp_path / "keys").mark(HERE, "value")
    [key] = (tmp_path / "keys").iterdir()
    key.write_bytes(left)
    marks = Marks(tmp_path / "keys")
    assert marks.mark(HERE, "value") == marks.mark(HERE, "value") != before
    assert Marks(tmp_path / "keys").mark(HERE, "value") == marks.mark(HERE, "value"), "later runs compare again"
    assert list((tmp_path / "keys").iterdir()) == [key] and stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_link_in_place_of_a_key_is_replaced_and_its_file_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    Marks(tmp_path / "keys").mark(HERE, "value")
    [key] = (tmp_path / "keys").iterdir()
    key.unlink()
    key.symlink_to(tmp_path / "other")
    assert Marks(tmp_path / "keys").mark(HERE, "value") == Marks(tmp_path / "keys").mark(HERE, "value")
    assert (tmp_path / "other").read_text() == "mine" and not key.is_symlink()


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing", "link to a device", "read-only folder"])
def test_what_is_no_key_gives_marks_of_this_run_only(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "keys"
    before = Marks(folder).mark(HERE, "value")
    [key] = folder.iterdir()
    key.unlink()
    if kind == "folder":
        key.mkdir()
    elif kind == "pipe":
        os.mkfifo(key)
    elif kind.startswith("link"):
        key.symlink_to("/dev/zero" if "device" in kind else tmp_path / "nothing")
    else:
        folder.rmdir()
        folder.symlink_to("/proc")
    marks = Marks(folder)
    assert marks.mark(HERE, "value") == marks.mark(HERE, "value") != before
    assert not (tmp_path / "nothing").exists()
    assert kind == "read-only folder" or list(folder.iterdir()) == [key], "nothing is left beside it"


def test_a_cache_above_its_limit_keeps_its_keys(tmp_path: Path) -> None:
    for name in ("blobs/sha256", "memo/x"):
        (tmp_path / name).mkdir(parents=True)
    before = Marks(tmp_path / "keys").mark(HERE, "value")
    (tmp_path / "blobs/sha256/one").write_bytes(b"x" * 1000)
    shrink(tmp_path, 10)
    assert not (tmp_path / "blobs/sha256/one").exists()
    assert Marks(tmp_path / "keys").mark(HERE, "value") == before


def test_a_folder_that_can_not_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    marks = Marks(tmp_path / "keys")
    assert marks.mark(HERE, "value") == marks.mark(HERE, "value")


def test_runs_that_begin_at_once_share_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from shipit.pipeline.marks import Marks; from shipit.release import Place;"
        f"print(Marks(Path({str(tmp_path / 'keys')!r})).mark(Place('k', 'p'), 'value'))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert len({run.communicate()[0] for run in runs}) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 1


@pytest.mark.parametrize("value", ["", "\udcff", "a" * 100_000])
def test_any_text_has_a_mark_of_sixteen_digits(tmp_path: Path, value: str) -> None:
    assert len(Marks(tmp_path).mark(HERE, value)) == 16
