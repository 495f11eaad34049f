"""Locks of this machine: one process at a time, and none after the process that had it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shipit.errors import UsageError
from shipit.history.lock_file import free_file, read_file_lock, take_file
from tests.waits import wait_until

HOLD = "import sys, time, pathlib; from shipit.history.lock_file import take_file; print(take_file(pathlib.Path(sys.argv[1]), 'a', 'child').handle, flush=True); time.sleep(600)"


def test_one_at_a_time_and_the_other_learns_who(tmp_path: Path) -> None:
    first = take_file(tmp_path, "a", "me")
    assert first.handle >= 0 and read_file_lock(tmp_path, "a") == "me"
    second = take_file(tmp_path, "a", "you")
    assert (second.handle, second.holder) == (-1, "me")
    other = take_file(tmp_path, "b", "you")
    assert other.handle >= 0
    free_file(first.handle)
    assert read_file_lock(tmp_path, "a") is None
    again = take_file(tmp_path, "a", "you")
    assert again.handle >= 0 and read_file_lock(tmp_path, "a") == "you"
    free_file(again.handle)
    free_file(other.handle)


def test_a_lock_without_a_text_is_held_all_the_same(tmp_path: Path) -> None:
    taken = take_file(tmp_path, "a", "")
    assert read_file_lock(tmp_path, "a") == "" and take_file(tmp_path, "a", "you").handle == -1
    free_file(taken.handle)
    assert read_file_lock(tmp_path, "a") is None


def test_only_the_owner_reads_it_and_git_does_not_see_it(tmp_path: Path) -> None:
    taken = take_file(tmp_path, "a", "me")
    for path in (tmp_path / ".shipit").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert (tmp_path / ".shipit/.gitignore").read_text() == "*\n"
    free_file(taken.handle)


def test_a_process_that_is_killed_leaves_no_lock(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and int(child.stdout.readline()) >= 0
        assert take_file(tmp_path, "a", "me").holder == "child"
        child.send_signal(signal.SIGKILL)
        child.wait()
        taken = wait_until(
            "the lock of a dead process", lambda: take_file(tmp_path, "a", "me").handle, lambda h: h >= 0
        )
        free_file(taken)
    finally:
        child.kill()
        child.wait()
        child.stdout and child.stdout.close()


@pytest.mark.parametrize("name", [".shipit", ".shipit/locks", ".shipit/locks/a"])
def test_no_link_is_followed(tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).symlink_to(elsewhere / "file" if name.endswith("/a") else elsewhere)
    with pytest.raises(UsageError, match="can't be written"):
        take_file(tmp_path, "a", "me")
    assert list(elsewhere.iterdir()) == [] and read_file_lock(tmp_path, "a") is None


def test_what_is_no_regular_file_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / ".shipit/locks").mkdir(parents=True)
    os.mkfifo(tmp_path / ".shipit/locks/a")
    with pytest.raises(UsageError, match="can't be written: it is no regular file"):
        take_file(tmp_path, "a", "me")
    assert read_file_lock(tmp_path, "a") is None


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".shipit").write_text("")
    with pytest.raises(UsageError) as caught:
        take_file(tmp_path, "a", "me")
    assert "state: none" in caught.value.hint
    assert read_file_lock(tmp_path, "a") is None
