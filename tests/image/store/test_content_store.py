"""The content store: damaged files are never used, invalid names never become paths, and its size is limited."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.digest import Digest, InvalidDigest
from shipit.errors import BuildError
from shipit.image.store.cache_files import cache_errors
from shipit.image.store.content_store import ContentStore, Limits
from tests.waits import SOON_S

SMALL, LARGE = b"small", b"x" * 1_000_000


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, told: list[str]) -> ContentStore:
    return ContentStore(tmp_path / "cache", told.append)


def reopened(store: ContentStore, told: list[str] | None = None, **limits: int) -> ContentStore:
    """The cache as the next process opens it."""
    return ContentStore(store.root, (told if told is not None else []).append, Limits(**limits))


def test_a_stored_blob_is_returned(store: ContentStore) -> None:
    for data in (b"", SMALL, LARGE):
        digest = store.put(data)
        assert digest == Digest.of(data)
        for one in (store, reopened(store)):
            assert one.has(digest) and one.has(digest, len(data)) and not one.has(digest, len(data) + 1)
            assert one.read(digest) == data
    assert store.read(Digest.of(LARGE), 1000) is None
    assert not store.has(Digest.of(b"other")) and store.read(Digest.of(b"other")) is None


@pytest.mark.parametrize(
    "text", ["", "x", "sha256:../../../../victim/new", "../../x", "sha256:/etc/passwd", "a" * 64, "sha256:" + "A" * 64]
)
def test_invalid_digests_never_become_paths(store: ContentStore, text: str) -> None:
    asks: list[Any] = [store.path, store.has, store.read, lambda key: store.recall("kind", key)]
    for ask in asks:
        with pytest.raises(InvalidDigest):
            ask(text)
    with pytest.raises(InvalidDigest):
        store.note("kind", text, 1)  # type: ignore[arg-type]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def turn_round(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"!")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def link(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


NO_FILES = [pipe, folder, device, link_to_itself]


@pytest.mark.parametrize("damage", [truncate, turn_round, empty, grow, link, *NO_FILES])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("is_new", [False, True], ids=["this process", "the next"])
def test_a_damaged_blob_is_removed_with_one_warning(
    store: ContentStore, told: list[str], damage: object, data: bytes, *, is_new: bool
) -> None:
    digest = store.put(data)
    time.sleep(0.02)
    damage(store.path(digest))  # type: ignore[operator]
    store = reopened(store, told) if is_new else store
    assert not store.has(digest)
    assert not store.has(digest)
    assert store.read(digest) is None
    assert told == [f"removed a damaged file of the cache, which is built or fetched again: {store.path(digest)}"]
    assert store.put(data) == digest
    assert store.read(digest) == data and len(told) == 1


def test_a_large_blob_is_hashed_once_per_state_of_its_file(store: ContentStore) -> None:
    digest = store.put(LARGE)
    read = Path("/proc/self/io")

    def bytes_read() -> int:
        return int(read.read_text().splitlines()[0].split()[1])

    before = bytes_read()
    assert all(reopened(store).has(digest) for _ in range(5))
    assert bytes_read() - before < len(LARGE)
    os.utime(store.path(digest), (1, 1))
    before = bytes_read()
    assert all(reopened(store).has(digest) for _ in range(5))
    assert len(LARGE) <= bytes_read() - before < 2 * len(LARGE)


def test_a_stream_is_stored_only_when_digest_and_size_match(store: ContentStore) -> None:
    digest = Digest.of(b"ab")
    given: list[bytes] = []

    def chunks(*parts: bytes) -> Iterator[bytes]:
        for part in parts:
            given.append(part)
            yield part

    for parts, said in (((b"a", b"c"), "do not match"), ((b"a",), "less bytes"), ((b"ab", b"c", b"d"), "more bytes")):
        with pytest.raises(BuildError, match=said):
            store.put_stream(chunks(*parts), digest, "here", 2)
    assert given[-1] == b"c", "no more is read than there should be"
    assert not store.has(digest) and not list((store.root / "tmp").iterdir())
    assert store.put_stream(chunks(b"a", b"b"), digest, "here", 2).read_bytes() == b"ab"


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o277])
def test_folders_are_private(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = ContentStore(tmp_path / "cache")
        store.put(LARGE)
        store.note("kind", Digest.of(b"k"), 1)
    finally:
        os.umask(before)
    for path in (store.root, *store.root.rglob("*")):
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


def test_an_existing_cache_is_made_private(tmp_path: Path) -> None:
    for name in ("blobs/sha256", "memo", "tmp"):
        (tmp_path / "cache" / name).mkdir(parents=True)
    ContentStore(tmp_path / "cache")
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in (tmp_path / "cache").rglob("*") if path.is_dir())


def old(path: Path, hours: float) -> Path:
    then = time.time() - hours * 3600
    os.utime(path, (then, then), follow_symlinks=False)
    return path


def test_files_of_killed_runs_are_removed(store: ContentStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    tmp = store.root / "tmp"
    (tmp / "folder/in").mkdir(parents=True)
    (tmp / "file").write_text("x")
    (tmp / "young").write_text("x")
    (tmp / "link").symlink_to(outside)
    for name in ("folder", "file", "link"):
        old(tmp / name, 7)
    reopened(store)
    assert [path.name for path in tmp.iterdir()] == ["young"]
    assert outside.exists()


def test_a_folder_with_other_files_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir(mode=0o755)
    (tmp_path / "own").write_text("x")
    kept = old(tmp_path / "tmp", 100) / "kept"
    kept.write_text("x")
    old(kept, 100)
    mode = tmp_path.stat().st_mode
    for _ in range(2):
        ContentStore(tmp_path).put(SMALL)
    assert kept.exists() and tmp_path.stat().st_mode == mode
    assert stat.S_IMODE((tmp_path / "tmp").stat().st_mode) == 0o755


DAMAGES = [b"", b"null", b"[]", b"{", b'["' + b"0" * 64 + b'",1]', bytes(100)]


def test_a_damaged_memo_counts_as_missing(store: ContentStore) -> None:
    key = Digest.of(b"key")
    store.note("kind", key, {"a": [1]})
    assert store.recall("kind", key) == {"a": [1]}
    (file,) = (store.root / "memo/kind").iterdir()
    good = file.read_bytes()
    assert json.loads(good)[1] == {"a": [1]}
    turned = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    for data in (*DAMAGES, good[:-1], *turned[2:66], *turned[68:-1]):
        file.write_bytes(data)
        assert store.recall("kind", key) is None, data
    file.write_bytes(good)
    for kind, other in (("other", key), ("kind", Digest.of(b"other"))):
        place = store.root / "memo" / kind / f"{other.hex}.json"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(good)
        assert store.recall(kind, other) is None, "it was noted elsewhere"


@pytest.mark.parametrize("damage", [*NO_FILES, link])
def test_a_memo_that_is_not_a_regular_file_counts_as_missing(
    store: ContentStore, damage: Callable[[Path], None]
) -> None:
    key = Digest.of(b"key")
    store.note("kind", key, 1)
    (file,) = (store.root / "memo/kind").iterdir()
    damage(file)
    assert store.recall("kind", key) is None


def test_a_memo_above_the_limit_is_not_read(store: ContentStore) -> None:
    key = Digest.of(b"key")
    store.note("kind", key, 1)
    (file,) = (store.root / "memo/kind").iterdir()
    os.truncate(file, 2**36)
    assert store.recall("kind", key) is None


@pytest.mark.parametrize("damage", [*NO_FILES, link])
def test_a_blob_that_is_not_a_regular_file_is_not_read(store: ContentStore, damage: Callable[[Path], None]) -> None:
    digest = store.put(SMALL)
    damage(store.path(digest))
    assert store.read(digest) is None
    assert store.put(SMALL) == digest
    assert store.read(digest) == SMALL


@pytest.mark.parametrize("damage", [*NO_FILES, link])
def test_a_size_file_that_is_not_a_regular_file_is_recreated(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    (tmp_path / "grown").touch()
    damage(tmp_path / "grown")
    store = ContentStore(tmp_path, limits=Limits(cache_bytes=100_000))
    fill(store, "x", 4)
    store.close()
    assert size(tmp_path / "blobs") <= 100_000
    assert stat.S_ISREG((tmp_path / "grown").lstat().st_mode)


def fill(store: ContentStore, name: str, amount: int = 10) -> list[Digest]:
    return [store.put(f"{name} {number}".encode() * 10_000) for number in range(amount)]


def size(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def test_the_least_recently_used_files_are_removed_above_the_limit(tmp_path: Path) -> None:
    store = ContentStore(tmp_path, limits=Limits(cache_bytes=1_000_000))
    first = fill(store, "first")
    for digest in first[2:]:
        old(store.path(digest), 48)
    for digest in first[:2]:
        old(store.path(digest), 96)
    assert store.has(first[0]), "used again"
    second = fill(store, "second", 5)
    assert size(tmp_path) > 1_000_000
    store.close()
    assert size(tmp_path) <= 1_000_000
    store = reopened(store)
    assert all(store.has(digest) for digest in second)
    assert store.has(first[0]) and not store.has(first[1])


def test_nothing_is_removed_while_another_process_uses_the_cache(tmp_path: Path) -> None:
    store = ContentStore(tmp_path, limits=Limits(cache_bytes=1_000_000))
    other = reopened(store, cache_bytes=1_000_000)
    digests = fill(store, "x", 20)
    store.close()
    assert all(other.has(digest) for digest in digests)
    other.put(b"one more")
    other.close()
    assert size(tmp_path) <= 1_000_000


def test_a_run_without_writes_changes_no_file(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    digests = fill(store, "x")
    store.close()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    store = ContentStore(tmp_path)
    assert all(store.has(digest) for digest in digests)
    store.close()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_lowered_limit_applies_to_the_next_run(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    fill(store, "x")
    store.close()
    ContentStore(tmp_path, limits=Limits(cache_bytes=100_000)).close()
    assert size(tmp_path) <= 100_000


def test_damaged_size_files_are_ignored(tmp_path: Path) -> None:
    for data in (b"x\n", b"\xff", b"1\n" * 40_000, b"9" * 5000):
        (tmp_path / "grown").write_bytes(data)
        store = ContentStore(tmp_path, limits=Limits(cache_bytes=100_000))
        fill(store, str(data[:5]), 4)
        store.close()
        assert size(tmp_path) <= 100_000


def test_many_processes_can_write_to_one_cache(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from shipit.image.store.content_store import ContentStore, Limits\n"
        "for turn in range(15):\n"
        "    store = ContentStore(Path(sys.argv[1]), print, Limits(cache_bytes=600_000))\n"
        "    for number in range(8):\n"
        "        data = f'{(turn + number) % 11}'.encode() * 80_000\n"
        "        digest = store.put(data)\n"
        "        assert store.has(digest) and store.read(digest) == data\n"
        "    store.close()\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(4)
    ]
    for process in running:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0 and output == b"", output.decode()
    assert size(tmp_path) <= 600_000
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.slow
def test_a_lock_that_stays_held_does_not_block(tmp_path: Path) -> None:
    ContentStore(tmp_path)
    with (tmp_path / "lock").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = time.monotonic()
        store = ContentStore(tmp_path, limits=Limits(cache_bytes=1))
        assert time.monotonic() - before < SOON_S
        store.put(SMALL)
        store.close()
        assert store.has(Digest.of(SMALL)), "without a lock nothing is removed"


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "the cache is full"), (errno.EROFS, "can't be written")])
def test_disk_errors_name_the_cache(tmp_path: Path, number: int, said: str) -> None:
    with pytest.raises(BuildError) as caught, cache_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    assert said in caught.value.what and caught.value.where == str(tmp_path)
    assert "SHIPIT_CACHE_DIR" in caught.value.hint
