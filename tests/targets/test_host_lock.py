"""The lock and the records of Docker hosts, on a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shipit.clock import Clock, Deadline
from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.errors import RemoteError
from shipit.past_release import PastRelease
from shipit.targets.docker.plan_back import Kept, Record
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.owner import Owner
from shipit.targets.engine.records import MOST_RECORDS, data_volumes, read_records, remove_records, write_record
from shipit.targets.locks import Holder, LockState
from tests.servers.engine import DockerEngine

NOW_S = 1_800_000_000.0


@pytest.fixture
def client(engine: DockerEngine) -> Iterator[HostClient]:
    connected = Engine(EngineAddress(engine.host), {})
    assert connected.is_reachable()
    yield HostClient(connected, engine.host, Deadline(Clock()))
    connected.close()


def volumes(client: HostClient, owner: Owner) -> list[str]:
    return [volume.name for volume in client.volumes(owner.filters)]


def test_a_lock_is_taken_renewed_and_given_back_without_a_trace(client: HostClient) -> None:
    owner, ana, ben = Owner("lock", "production", "docker"), Holder("ana"), Holder("ben")
    assert read_lock(client, owner) == LockState()
    taken = swap_lock(client, owner, LockState(), ana, NOW_S)
    assert taken is not None and read_lock(client, owner).holder == ana
    assert swap_lock(client, owner, LockState(), ben, NOW_S + 5) is None, "it is not as ben saw it"
    renewed = swap_lock(client, owner, taken, ana, NOW_S)
    assert renewed is not None and int(renewed.version) == int(taken.version) + 1
    assert swap_lock(client, owner, taken, ben, NOW_S) is None, "an older state is not the lock any more"
    assert swap_lock(client, owner, taken, None, NOW_S) is None
    assert len(volumes(client, owner)) == 1 and read_lock(client, owner).version == renewed.version
    assert swap_lock(client, owner, renewed, None, NOW_S) == LockState()
    assert volumes(client, owner) == []


def test_a_state_from_before_the_lock_was_given_back_takes_nothing(client: HostClient) -> None:
    owner = Owner("stale", "production", "docker")
    old = swap_lock(client, owner, LockState(), Holder("ana"), NOW_S)
    assert old is not None and swap_lock(client, owner, old, None, NOW_S) is not None
    new = swap_lock(client, owner, LockState(), Holder("ben"), NOW_S + 60)
    assert new is not None
    assert swap_lock(client, owner, old, Holder("ana"), NOW_S + 61) is None
    assert read_lock(client, owner).holder == Holder("ben")
    swap_lock(client, owner, new, None, NOW_S)


def test_of_many_that_take_a_lock_at_once_at_most_one_gets_it(client: HostClient) -> None:
    owner = Owner("race", "production", "docker")
    before = swap_lock(client, owner, LockState(), Holder("first"), NOW_S)
    assert before is not None
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda run: swap_lock(client, owner, before, Holder(str(run)), NOW_S), range(8)))
    [own] = [state for state in taken if state is not None]
    assert read_lock(client, owner).holder == own.holder
    swap_lock(client, owner, own, None, NOW_S)


def test_records_are_replaced_by_version_and_the_oldest_are_removed(client: HostClient) -> None:
    owner = Owner("records", "production", "docker")
    containers = {"host": (Kept("web", 1, "web-1"),)}
    for number in range(MOST_RECORDS + 3):
        write_record(client, owner, Record(PastRelease(f"r{number}", "begun"), containers))
    write_record(client, owner, Record(PastRelease("r22", "healthy"), containers))
    found = read_records(client, owner, Record)
    assert (found[0].past, found[0].containers) == (PastRelease("r22", "healthy"), containers)
    assert [one.past.version for one in found] == [f"r{number}" for number in range(22, 22 - len(found), -1)]
    assert MOST_RECORDS <= len(found) <= MOST_RECORDS + 1
    client.create_volume("records-data", owner.labels)
    assert data_volumes(client, owner) == ("records-data",)
    remove_records(client, owner)
    assert volumes(client, owner) == ["records-data"]
    assert client.remove_volume("records-data") and not client.remove_volume("records-data")


def test_what_the_engine_refuses_is_an_error_with_its_words(client: HostClient) -> None:
    with pytest.raises(RemoteError, match="No such image") as raised:
        client.create("refused", {"Image": "nowhere.example/none:none"})
    assert raised.value.status == 404 and client.host in raised.value.where
    assert client.container("refused") is None and client.last_lines("refused") == ()
