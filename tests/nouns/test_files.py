"""Reading a file whole: what is read, what is refused, and that neither takes memory or time."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.files import Missing, Unreadable, is_within, open_within, read_file, read_stream, read_text, write_file
from tests.waits import SOON_S


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def a_socket(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
    return folder / "socket"


def a_sparse_file(folder: Path) -> Path:
    with (folder / "sparse").open("wb") as file:
        file.truncate(5 * 1024**3)
    return folder / "sparse"


def a_link(to: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "link").symlink_to(to)
        return folder / "link"

    return make


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a device without an end": (lambda _: Path("/dev/zero"), "it is a device, and should be a regular file"),
    "a pipe nobody writes to": (a_pipe, "it is a pipe, and should be a regular file"),
    "a socket": (a_socket, "it is a socket, and should be a regular file"),
    "a folder": (lambda folder: folder, "Is a directory"),
    "five gigabytes": (a_sparse_file, "it should be at most 1,048,576 bytes"),
    "a link to a device": (a_link("/dev/zero"), "it is a device, and should be a regular file"),
    "a link to itself": (a_link("link"), "Too many levels of symbolic links"),
    "a dangling link": (a_link("gone"), "No such file or directory"),
    "below a file": (lambda folder: Path(__file__) / "x", "Not a directory"),
    "a name with a null character": (lambda folder: folder / "a\0b", "its name is no path"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_file_of_a_bounded_size_is_refused_at_once(tmp_path: Path, name: str) -> None:
    make, reason = REFUSED[name]
    path, started = make(tmp_path), time.monotonic()
    with pytest.raises(Unreadable) as caught:
        read_file(path)
    assert caught.value.reason == reason
    assert time.monotonic() - started < 9, "less than the 10 s that a file may take"


def test_a_file_that_is_missing_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        read_file(tmp_path / "gone")


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024])
def test_a_regular_file_is_read_up_to_its_limit(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert read_file(tmp_path / "file") == b"x" * size


def test_a_file_without_a_size_is_bounded_too() -> None:
    """Files of the system say that they are empty, and are not."""
    assert read_file("/proc/self/status")
    with pytest.raises(Unreadable, match="at most 10 bytes"):
        read_file("/proc/self/status", max_bytes=10)


def test_text_has_no_byte_order_mark_and_is_utf_8(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfgr\xc3\xbc\xc3\x9fe")
    assert read_text(tmp_path / "file") == "grüße"
    (tmp_path / "file").write_bytes(b"gr\xfc\xdfe")
    with pytest.raises(Unreadable, match="it is not UTF-8"):
        read_text(tmp_path / "file")


def test_a_pipe_that_a_user_names_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = a_pipe(tmp_path)

    def write() -> None:
        with pipe.open("wb") as file:
            for part in (b"a", b"b", b"c"):
                file.write(part)
                file.flush()
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_stream(pipe, timeout_s=10) == b"abc"
    writer.join()


def test_a_pipe_that_a_user_names_is_bounded_in_time_and_size(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(Unreadable, match="it gave no end in time"):
        read_stream(a_pipe(tmp_path), timeout_s=0.3)
    with pytest.raises(Unreadable, match="at most 1,048,576 bytes"):
        read_stream("/dev/zero", timeout_s=10)
    assert time.monotonic() - started < SOON_S


def test_a_path_that_leaves_a_folder_is_told(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("canary")
    (inside / "out").symlink_to("../secret")
    (inside / "up").symlink_to("..")
    (inside / "ok").write_text("fine")
    (inside / "link").symlink_to("ok")
    assert read_file(inside / "link", within=inside) == b"fine"
    for path in ("out", "../secret", "up/secret", "/etc/hostname", "../inside-not/x"):
        with pytest.raises(Unreadable, match="it lies outside of the project"):
            read_file(inside / path, within=inside)
    assert is_within(inside, inside) and not is_within(tmp_path, inside)


@pytest.mark.parametrize("swapped", ["deep/file", "deep"])
def test_a_link_that_is_put_in_the_way_while_a_file_is_opened_is_not_followed(tmp_path: Path, swapped: str) -> None:
    """Between resolving a path and opening it a file, or a folder above it, becomes a link out of the project."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside / "deep", outside):
        folder.mkdir(parents=True)
        (folder / "file").write_text("fine" if folder != outside else "canary")
    path = inside / "deep/file"

    def resolve(named: str | Path) -> str:
        real = os.path.realpath(named)
        if named == path:
            (inside / swapped).rename(inside / "was")
            (inside / swapped).symlink_to(outside / "file" if swapped == "deep/file" else outside)
        return real

    with os.fdopen(open_within(path, inside)) as file:
        assert file.read() == "fine"
    with pytest.raises(OSError):
        open_within(path, inside, resolve=resolve)
    assert path.read_text() == "canary", "the link was there"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("x")
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        assert read_file(tmp_path / "a/b/file", within=tmp_path) == b"x"
        with pytest.raises(Unreadable):
            read_file(tmp_path / "a/b", within=tmp_path)
        with pytest.raises(Missing):
            read_file(tmp_path / "a/c/file", within=tmp_path)
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.parametrize(("mode", "written"), [(None, 0o640), (0o600, 0o600), (0o664, 0o664)])
def test_a_file_is_written_with_its_mode_or_the_one_that_the_umask_leaves(
    tmp_path: Path, mode: int | None, written: int
) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file", b"new", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == written
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_link_is_replaced_and_its_file_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    write_file(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink() and (tmp_path / "link").read_bytes() == b"new"
    assert (tmp_path / "other").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["pipe", "link"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a pipe, and should be a regular file"):
        write_file(tmp_path / name, b"new")
    assert (tmp_path / "pipe").is_fifo() and sorted(file.name for file in tmp_path.iterdir()) == ["link", "pipe"]


@pytest.mark.parametrize("target", [None, "nothing"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, target: str | None) -> None:
    file = tmp_path / "file"
    if target:
        file.symlink_to(tmp_path / target)
    else:
        file.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_file(file, b"new", replaces=False)
    assert list(tmp_path.iterdir()) == [file], "nothing is left beside it"
