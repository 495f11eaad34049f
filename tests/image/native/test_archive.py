"""Untrusted archives in a context: unpacked within limits, copied, or refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.errors import BuildError, NeedsEngine
from shipit.image.native.archive import archive_entries, is_archive
from tests.image.test_hostile_bases import MIB, header, zeros

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def a_tar() -> bytes:
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, data in (("d/a", b"one"), ("d/b", b"")):
                info = tarfile.TarInfo(name)
                info.size, info.mode, info.uid = len(data), 0o640, 7
                tar.addfile(info, io.BytesIO(data))
            for name, kind in (("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE)):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, "d/a"
                tar.addfile(info)
        return buffer.getvalue()


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_archives_are_unpacked(tmp_path: Path, packer: str) -> None:
    file = tmp_path / "x"
    file.write_bytes(PACKERS[packer](a_tar()))
    assert is_archive(file)
    found = archive_entries(file, tmp_path)
    assert {path: (entry.kind, entry.mode, entry.uid, entry.size, entry.target) for path, entry in found.items()} == {
        "d/a": ("file", 0o640, 7, 3, ""),
        "d/b": ("file", 0o640, 7, 0, ""),
        "l": ("symlink", 0o777, 0, 0, "d/a"),
        "h": ("file", 0o640, 7, 3, ""),
    }
    assert found["h"] == found["d/a"]


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("data", [b"", b"text", bytes(10240), b"x" * 5000, header("x", 3 * 2**30, b"L")])
def test_files_that_are_not_tars_are_copied(tmp_path: Path, packer: str, data: bytes) -> None:
    (tmp_path / "x").write_bytes(PACKERS[packer](data))
    assert not is_archive(tmp_path / "x")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(header("a", 2**60)), "more than 1073741824 bytes"),
        (gzip.compress(header("a", 2**20)), "truncated"),
        (gzip.compress(header("a", 2**40)) + zeros(1200 * MIB), "more than 1073741824 bytes"),
        (gzip.compress(header("a", 0) + header("x", 3 * 2**30, b"x")) + zeros(64 * MIB), "at most 1 MiB"),
        (gzip.compress(a_tar())[:-30], "can't be read as an archive"),
        (header("a", 0) + header("h", 0, b"1"), "hard link"),
        (header("a", 0) + b"x" * 512, "can't be read as an archive"),
    ],
    ids=["2^60", "short", "bomb", "pax", "truncated", "link", "text"],
)
def test_endless_or_invalid_archives_fail_in_bounded_time(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(BuildError, match=said):
        archive_entries(tmp_path / "x", tmp_path)


def test_sparse_files_need_an_engine(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(header("a", 0, b"S"))
    assert is_archive(tmp_path / "x")
    with pytest.raises(NeedsEngine):
        archive_entries(tmp_path / "x", tmp_path)
