"""Both kinds of state: objects that are compared and swapped, in a folder and in an object store."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shipit.errors import UsageError
from shipit.history.state_files import StateFiles
from shipit.history.state_key import state_key
from shipit.history.state_objects import StateObjects
from shipit.history.state_store import MOST_BYTES, StateError, StateStore
from tests.servers.object_store import BUCKET, ObjectStoreServer

Open = Callable[[], StateStore]


@pytest.fixture(params=["folder", pytest.param("objects", marks=pytest.mark.tools)])
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    if request.param == "folder":
        return lambda: StateFiles(tmp_path / "state")
    server: ObjectStoreServer = request.getfixturevalue("object_store")
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    return lambda: StateObjects(f"s3://{BUCKET}/{tmp_path.name}")


def test_an_object_is_swapped_only_by_who_knows_its_version(opened: Open) -> None:
    one, other = opened(), opened()
    assert one.read("locks/a") is None
    first = one.swap("locks/a", b"1", "")
    assert first and other.swap("locks/a", b"2", "") is None, "it is there already"
    found = other.read("locks/a")
    assert found is not None and (found.data, found.version) == (b"1", first)
    second = other.swap("locks/a", b"2", first)
    assert second and one.swap("locks/a", b"3", first) is None
    found = one.read("locks/a")
    assert found is not None and (found.data, found.version) == (b"2", second)
    assert one.read("locks/b") is None
    assert one.swap("locks/b", b"1", first) is None, "an object that is gone has no version"


def test_the_store_tells_the_time_by_the_clock_that_dates_its_objects(opened: Open) -> None:
    store = opened()
    before_s = store.swap("a", b"1", "") and store.now_s()
    found = store.read("a")
    assert found is not None and before_s
    # Object stores have whole seconds.
    assert abs(found.modified_s - before_s) < 60 and store.now_s() >= before_s


def test_a_larger_object_is_refused(opened: Open) -> None:
    store = opened()
    assert store.swap("a", b"x" * (MOST_BYTES + 1), "")
    with pytest.raises(StateError):
        store.read("a")


def test_of_machines_that_make_the_key_of_saved_plans_at_once_all_have_the_first_one(opened: Open) -> None:
    start = threading.Barrier(4)

    def made(store: StateStore) -> str:
        start.wait()
        return state_key(store)

    with ThreadPoolExecutor(4) as pool:
        [key] = set(pool.map(made, [opened() for _ in range(4)]))
    assert len(key) == 64 and state_key(opened()) == key


@pytest.mark.parametrize("data", [b"", b"key", b"0" * 63, b"0" * 65, b"G" * 64, b"0" * 64 + b"\n", b"\xff" * 64])
def test_what_is_no_key_of_saved_plans_is_an_error_that_names_it(tmp_path: Path, data: bytes) -> None:
    store = StateFiles(tmp_path)
    assert store.swap("keys/plans", data, "")
    with pytest.raises(StateError, match="keys/plans: it is no key of saved plans") as caught:
        state_key(store)
    assert "make new plans" in caught.value.hint


def test_of_many_writers_one_wins_each_time(tmp_path: Path) -> None:
    store = StateFiles(tmp_path)
    version = ""
    for number in range(50):
        won: list[str] = []

        def write(name: str, version: str = version, won: list[str] = won) -> None:
            if after := store.swap("a", name.encode(), version):
                won.append(after)

        threads = [threading.Thread(target=write, args=(f"{number} {index}",)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        [version] = won


def test_a_lock_of_a_file_that_nobody_gives_back_is_an_error(tmp_path: Path) -> None:
    store = StateFiles(tmp_path, locked_s=0.1)
    version = store.swap("a", b"1", "")
    with (tmp_path / "a.lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StateError, match="another process holds the lock of its file") as caught:
            store.swap("a", b"2", version or "")
    assert caught.value.where.endswith("a.lock") and "lsof" in caught.value.hint
    assert store.swap("a", b"2", version or ""), "it was given back"


def test_a_link_in_place_of_the_clock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/clock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError):
        StateFiles(tmp_path / "state").now_s()
    assert not (tmp_path / "elsewhere").exists()


def test_a_path_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    store = StateFiles(tmp_path / "state")
    for call in (lambda: store.swap("a", b"", ""), store.now_s):
        with pytest.raises(StateError, match="the state can't be read or written: ") as caught:
            call()
        assert "state:" in caught.value.hint and "state" in caught.value.where


@pytest.mark.tools
def test_a_bucket_that_does_not_exist_is_an_error_of_one_line(
    object_store: ObjectStoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)
    store = StateObjects("s3://another-bucket/shop")
    with pytest.raises(StateError, match="there is no such bucket") as caught:
        store.swap("a", b"", "")
    assert caught.value.where == "s3://another-bucket/shop"
    with pytest.raises(StateError, match="the state can't be read or written: ") as unknown:
        store.now_s()
    assert "\n" not in str(unknown.value) and "secret-of-the-test" not in unknown.value.render()
    assert unknown.value.where == "s3://another-bucket/shop/clock" and "credentials" in unknown.value.hint


def test_a_url_that_leads_nowhere_is_refused_when_it_is_opened() -> None:
    with pytest.raises(UsageError, match="the state can't be read or written: ") as caught:
        StateObjects("az://")
    assert caught.value.where == "state: az://"
