"""Locks of a run, on places in memory: one run at a time, and none that lost its lock changes anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import DeadlinePassed, Interrupted, ShipitError
from shipit.events import Event, TargetFinished, Waiting
from shipit.history.lock_file import free_file, take_file
from shipit.pipeline.change import Change
from shipit.pipeline.change import change as change_all
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.lock_errors import Locked, described
from shipit.pipeline.lock_keepers import lock_session, read_locks
from shipit.pipeline.lock_wait import await_free
from shipit.pipeline.locks import RunLocks
from shipit.pipeline.marks import file_name
from shipit.pipeline.run import Run
from shipit.pipeline.unlock import break_lock
from shipit.record import to_json
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import FileTarget, MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse, State, Step, Verdict
from shipit.targets.locks import LEASE_S, Holder, LockState, NoLock
from shipit.targets.session import Session
from tests import runs
from tests.pipeline.lock_race import check_one_gets_it
from tests.waits import wait_until

OTHER = Holder("0123456789ab", "deploy", "somebody@elsewhere", "c0ffee", "2026-01-01T00:00:00.000Z")


class Bench:
    def __init__(self, folder: Path, registry: EmbeddedRegistry) -> None:
        self.folder, self.registry = folder, registry
        self.places = {name: InMemoryPlace() for name in ("one", "two")}
        self.needs: dict[str, list[str]] = {"two": ["one"]}
        self.on_failure = "stop"
        self.clock = runs.FakeClock()
        self.events: list[Event] = []

    def run(self) -> Run:
        environment = runs.environment(self.folder)
        loaded = runs.project(self.folder, f"app: shop\nimage: {self.registry.host}/shop\n", environment)
        use = ImageUse("shop", f"{self.registry.host}/shop", "oci", "linux/amd64", None, ("latest",))
        made = [
            MemoryTarget(
                name,
                place,
                [use],
                MemoryConfig.model_validate(
                    {"settle": "0s", "needs": self.needs.get(name, []), "on_failure": self.on_failure}
                ),
            )
            for name, place in self.places.items()
        ]
        self.events.clear()
        return runs.run(loaded, environment, self.events, targets=lambda _: made, clock=self.clock)

    def hold(self, name: str, holder: Holder | None = OTHER) -> None:
        """Another run takes the lock now, whoever has it."""
        row = self.places[name].lock
        row.update(
            holder=to_json(holder) if holder else None,
            version=str(int(row.get("version") or 0) + 1),
            renewed_s=self.clock.wall_s(),
        )

    def after_one(self, run: Run, call: Any) -> None:
        """Call back when the target one is finished and two, which needs it, has not begun."""

        def react(event: Event) -> None:
            if isinstance(event, TargetFinished) and event.target == "one":
                call()

        runs.react(run, react)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with EmbeddedRegistry() as server:
        yield Bench(tmp_path, server)


def test_a_deploy_holds_its_locks_until_its_end_and_an_unchanged_one_takes_none(bench: Bench) -> None:
    run = bench.run()
    seen: list[Any] = []
    bench.after_one(run, lambda: seen.append(dict(bench.places["two"].lock["holder"])))
    assert deploy(run) == 0
    assert seen == [{**seen[0], "run": run.id, "command": "deploy"}] and "@" in seen[0]["by"]
    rows = {name: dict(place.lock) for name, place in bench.places.items()}
    assert all(row["holder"] is None for row in rows.values())
    assert deploy(bench.run()) == 0
    assert {name: dict(place.lock) for name, place in bench.places.items()} == rows
    plan(bench.run())
    assert {name: dict(place.lock) for name, place in bench.places.items()} == rows


def test_a_second_deploy_fails_at_once_with_who_holds_the_lock(bench: Bench) -> None:
    bench.hold("two")
    with pytest.raises(Locked) as caught:
        deploy(bench.run())
    assert caught.value.render() == (
        "two: it is locked by deploy 0123456789ab of commit c0ffee, by somebody@elsewhere, since 2026-01-01 00:00:00 UTC\n"
        "hint: wait for it: --wait 10m; or, if it does not run any more: shipit unlock two"
    )
    assert bench.places["one"].writes == bench.places["two"].writes == [] and not bench.registry.tags
    assert bench.places["one"].lock["holder"] is None, "the lock that was taken first is given back"


def test_a_command_in_another_environment_is_told_what_it_can_do(bench: Bench) -> None:
    bench.hold("two")
    run = bench.run()
    run.project = replace(run.project, environment="staging")
    run.announce("scale", ["two"])
    with pytest.raises(Locked) as caught:
        RunLocks(run).take(run.targets)
    assert caught.value.hint == (
        "wait for it: --wait 10m; or, if it does not run any more: shipit unlock two -e staging"
    )
    with pytest.raises(ShipitError) as changed:
        break_lock(run, run.targets[1], OTHER._replace(run="ba9876543210"))
    assert changed.value.hint == "look again: shipit unlock two -e staging"


def test_a_lock_that_is_not_renewed_is_free_after_its_time(bench: Bench) -> None:
    bench.hold("one")
    bench.clock.sleep(LEASE_S - 1)
    with pytest.raises(Locked):
        deploy(bench.run())
    bench.clock.sleep(2)
    assert deploy(bench.run()) == 0


def test_a_deploy_waits_in_turn_and_plans_after_that(bench: Bench) -> None:
    bench.hold("one")
    assert deploy(bench.run(), wait_s=600) == 0
    said = [event for event in bench.events if isinstance(event, Waiting)]
    assert said[0].target == "one" and said[0].reason == f"it is locked by {described(OTHER)}"


def test_other_commands_wait_before_they_look(bench: Bench) -> None:
    assert deploy(bench.run()) == 0
    run = bench.run()
    run.wait_s = 600
    [target] = [found for found in run.targets if found.name == "one"]
    asked: list[float] = []

    def plan_restart(observed: object) -> list[Step]:
        asked.append(bench.clock.now())
        return []

    bench.hold("one")
    began_s = bench.clock.now()
    change = Change(target, plan_restart, lambda observed, seen: Verdict(State.HEALTHY, "runs"))
    assert change_all(run, "restart", [change]) == 0
    assert asked[0] - began_s >= LEASE_S, "what is planned is what was there when the other run was over"
    said = [event for event in bench.events if isinstance(event, Waiting)]
    assert said[0].reason == f"it is locked by {described(OTHER)}"
    late = bench.run()
    late.wait_s = 5
    bench.hold("one")
    with pytest.raises(Locked, match="it is locked by deploy 0123456789ab"):
        change_all(late, "restart", [change])


def test_a_deploy_that_waits_in_vain_names_the_holder(bench: Bench) -> None:
    run = bench.run()
    ticks: list[Event] = []

    def renew(event: Event) -> None:
        ticks.append(event)

    runs.react(run, renew)
    bench.hold("one")
    with pytest.raises(Locked, match="it is locked by deploy 0123456789ab"):
        await_free(run, 5)
    assert ticks


def test_a_run_that_lost_its_lock_while_it_slept_changes_nothing_more(bench: Bench) -> None:
    bench.on_failure = "rollback"
    run = bench.run()

    def sleep() -> None:
        bench.clock.sleep(60)
        bench.hold("two")

    bench.after_one(run, sleep)
    assert deploy(run) == 1
    assert bench.places["one"].writes == ["set"] and bench.places["two"].writes == []
    end = next(event for event in bench.events if isinstance(event, TargetFinished) and event.target == "two")
    assert end.reason == f"the lock was lost: {described(OTHER)}; not rolled back: that needs the lock"
    assert not end.is_rolled_back and end.verdict.superseded_by == described(OTHER)
    assert bench.places["two"].lock["holder"] == to_json(OTHER), "the lock of the other run stays"


class _Suspended(runs.FakeClock):
    """Of a machine that may sleep: its monotonic clock stands still then."""

    slept_s = 0.0

    def wall_s(self) -> float:
        return super().wall_s() + self.slept_s


def test_a_run_whose_machine_slept_asks_for_its_lock(bench: Bench) -> None:
    clock = _Suspended()
    bench.clock = clock
    run = bench.run()

    def suspend() -> None:
        clock.slept_s = 3600.0
        bench.hold("two")

    bench.after_one(run, suspend)
    assert deploy(run) == 1
    assert bench.places["two"].writes == []
    end = next(event for event in bench.events if isinstance(event, TargetFinished) and event.target == "two")
    assert end.reason == f"the lock was lost: {described(OTHER)}"


def test_a_run_that_slept_and_still_has_its_lock_goes_on(bench: Bench) -> None:
    run = bench.run()
    bench.after_one(run, lambda: bench.clock.sleep(60))
    assert deploy(run) == 0
    assert bench.places["two"].writes == ["set"]


def test_a_lock_that_was_broken_stops_the_run_before_its_next_change(bench: Bench) -> None:
    bench.on_failure = "rollback"
    run = bench.run()

    def unlock() -> None:
        other = Bench(bench.folder, bench.registry)
        other.places, other.clock = bench.places, bench.clock
        breaker = other.run()
        holder = read_locks(breaker)["two"]
        assert holder is not None and holder.run == run.id
        break_lock(breaker, next(target for target in breaker.targets if target.name == "two"), holder)
        bench.clock.sleep(60)

    bench.after_one(run, unlock)
    assert deploy(run) == 1
    assert bench.places["two"].writes == []
    end = next(event for event in bench.events if isinstance(event, TargetFinished) and event.target == "two")
    assert end.reason == (
        "the lock was lost: it was not renewed for 60 s, and another run had it meanwhile, or somebody broke it; "
        "not rolled back: that needs the lock"
    )
    assert end.verdict.superseded_by == "someone else"


def test_only_the_lock_of_the_holder_that_was_shown_is_broken(bench: Bench) -> None:
    bench.hold("one")
    run = bench.run()
    with pytest.raises(ShipitError, match="it is locked by deploy 0123456789ab"):
        break_lock(run, run.targets[0], OTHER._replace(run="ba9876543210"))
    assert bench.places["one"].lock["holder"] == to_json(OTHER)


class _ReadOnly(MemoryTarget):
    """A target whose lock this user may read, and not write."""

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        raise NoLock("this user may not write locks", where=self.name, hint="ask for the right")


def test_a_lock_at_the_place_that_the_user_may_not_write_is_not_told_as_one_of_this_machine(bench: Bench) -> None:
    bench.hold("one")
    run = bench.run()
    run.targets = [_ReadOnly("one", bench.places["one"], [], MemoryConfig())]
    held = read_locks(run)["one"]
    assert held == OTHER
    with pytest.raises(NoLock) as caught:
        break_lock(run, run.targets[0], held)
    assert caught.value.render() == "one: this user may not write locks\nhint: ask for the right"
    assert bench.places["one"].lock["holder"] == to_json(OTHER)


class _WithoutLock(MemoryTarget):
    """A target whose place keeps no lock."""

    def read_lock(self, session: Session) -> LockState:
        raise NoLock("", where=self.name)


def test_a_lock_of_this_machine_without_a_text_is_told_as_held(bench: Bench) -> None:
    run = bench.run()
    run.targets = [_WithoutLock("one", bench.places["one"], [], MemoryConfig())]
    taken = take_file(run.project.root, file_name(run.targets[0].place), "")
    held = read_locks(run)["one"]
    assert held is not None and described(held) == "another run"
    free_file(taken.handle)
    assert read_locks(run) == {"one": None}


def test_an_interrupted_run_gives_its_locks_back(bench: Bench) -> None:
    run = bench.run()
    bench.after_one(run, bench.clock.cancel.set)
    with pytest.raises(Interrupted):
        deploy(run)
    run.close()
    assert all(place.lock["holder"] is None for place in bench.places.values())


class _Unanswered(MemoryTarget):
    """A place that answers no renewal."""

    over = threading.Event()

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        if before.holder is not None and holder is not None:
            self.over.wait(60)
        return super().swap_lock(before, holder, session)


def test_a_place_that_does_not_answer_delays_the_renewal_of_no_other_lock(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipit.pipeline.renewals.BEAT_S", 0.05)
    run = bench.run()
    one, two = run.targets
    silent = _Unanswered("one", bench.places["one"], one.images(), one.config)
    held = RunLocks(run)
    try:
        held.take([silent, two])
        first = bench.places["two"].lock["version"]
        wait_until("renewed", lambda: int(bench.places["two"].lock["version"]) > int(first) + 2)
    finally:
        _Unanswered.over.set()
        held.give_back()


def test_a_held_lock_is_renewed(bench: Bench) -> None:
    run = bench.run()
    held = RunLocks(run)
    held.take(run.targets[:1])
    first = bench.places["one"].lock["version"]
    wait_until("the lock to be renewed", lambda: bench.places["one"].lock["version"] != first)
    held.give_back()
    last = dict(bench.places["one"].lock)
    assert last["holder"] is None
    held.give_back()
    assert bench.places["one"].lock == last


class _Place:
    """A file that several runs take the lock of."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def run(self) -> Run:
        run = self.bench.run()
        run.targets = [FileTarget("one", self.bench.folder / "place.json", [], MemoryConfig())]
        return run


def test_of_two_runs_that_take_a_lock_at_once_one_gets_it_a_hundred_times(bench: Bench) -> None:
    place = _Place(bench)
    runs_of = [place.run() for _ in range(2)]
    check_one_gets_it(runs_of)


def test_a_wait_for_a_lock_ends_also_when_the_run_is_cancelled_and_its_time_stands_still(bench: Bench) -> None:
    run = bench.run()
    deadline = lock_session(run, run.targets[0]).deadline.within(0.2)
    run.clock.cancel.set()
    with pytest.raises(DeadlinePassed):
        while True:
            deadline.sleep(0.1, "the lock")
