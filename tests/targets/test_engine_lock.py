"""The lock of a target on an engine, on a store in memory: what was given to others or broken is not renewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from shipit.targets.engine.label_store import Labelled
from shipit.targets.engine.lock import read_lock, swap_lock
from shipit.targets.engine.owner import Owner
from shipit.targets.locks import Holder, LockState

OWNER = Owner("shop", "production", "web")
ONE, OTHER = Holder("0123456789ab", "deploy"), Holder("ba9876543210", "deploy")


class Objects:
    """Objects with labels, of which the first one with a name stays. `now_s` is the clock of the host."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self._made: dict[str, tuple[Mapping[str, str], float]] = {}

    def put(self, name: str, labels: Mapping[str, str]) -> None:
        self._made.setdefault(name, (labels, self.now_s))

    def find_labels(self, name: str) -> Mapping[str, str] | None:
        return self._made[name][0] if name in self._made else None

    def list_labelled(self, filters: Mapping[str, Sequence[str]]) -> list[Labelled]:
        return [Labelled(name, dict(labels), self.now_s - made_s) for name, (labels, made_s) in self._made.items()]

    def drop(self, name: str) -> bool:
        return self._made.pop(name, None) is not None


class Bench:
    def __init__(self) -> None:
        self.objects = Objects()

    def read(self) -> LockState:
        return read_lock(self.objects, OWNER)  # type: ignore[arg-type]

    def swap(self, before: LockState, holder: Holder | None) -> LockState | None:
        self.objects.now_s += 5
        return swap_lock(self.objects, OWNER, before, holder, self.objects.now_s)  # type: ignore[arg-type]

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
    bench.objects.now_s += 60
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
