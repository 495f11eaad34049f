"""The lock of a target on an engine, on a store in memory: what was given to others or broken is not renewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from shipit.targets.engine.label_store import Labelled
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.owner import Owner
from shipit.targets.locks import Holder, LockState
from tests.targets.test_compose_kept import Volumes

OWNER = Owner("shop", "production", "web")
ONE, OTHER = Holder("0123456789ab", "deploy"), Holder("ba9876543210", "deploy")


class AgingVolumes(Volumes):
    """Volumes with the age that each has by the clock of the host, `now_s`."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0
        self._made_s: dict[str, float] = {}

    def put(self, name: str, labels: Mapping[str, str]) -> None:
        if name not in self.found:
            self._made_s[name] = self.now_s
        super().put(name, labels)

    def list_labelled(self, filters: str) -> Sequence[Labelled]:
        return [one._replace(age_s=self.now_s - self._made_s[one.name]) for one in super().list_labelled(filters)]


class Bench:
    def __init__(self) -> None:
        self.volumes = AgingVolumes()

    def read(self) -> LockState:
        return read_lock(self.volumes, OWNER)

    def swap(self, before: LockState, holder: Holder | None) -> LockState | None:
        self.volumes.now_s += 5
        return swap_lock(self.volumes, OWNER, before, holder, self.volumes.now_s)

    def take(self, holder: Holder) -> LockState:
        taken = self.swap(self.read(), holder)
        assert taken is not None
        return taken


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_lock_is_renewed_and_given_back(bench: Bench) -> None:
    held = bench.take(ONE)
    for _ in range(3):
        renewed = bench.swap(held, ONE)
        assert renewed is not None and renewed.version > held.version
        held = renewed
    assert bench.read().holder == ONE
    assert bench.swap(held, None) == LockState() == bench.read()


def test_a_lock_that_others_had_meanwhile_is_not_renewed(bench: Bench) -> None:
    held = bench.take(ONE)
    bench.volumes.now_s += 60
    other = bench.take(OTHER)
    assert bench.swap(held, ONE) is None and bench.read().holder == OTHER
    assert bench.swap(other, None) == LockState()
    assert bench.swap(held, ONE) is None
    assert bench.read() == LockState(), "and none is left behind"


def test_a_lock_that_was_broken_is_not_renewed(bench: Bench) -> None:
    held = bench.take(ONE)
    bench.swap(bench.read(), None)
    assert bench.swap(held, ONE) is None
    assert bench.read() == LockState()
