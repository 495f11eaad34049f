"""Steps in waves: those of a wave are applied in parallel, a failure ends what has not begun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from shipit.errors import DeployFailed, RemoteError, ShipitError
from shipit.events import Event, StepApplied, StepFailed
from shipit.pipeline.run import Run
from shipit.pipeline.steps import AT_ONCE, apply_steps
from shipit.rehearsal.memory import KIND
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.release import Facts, Step, Verdict
from shipit.targets.session import Session
from tests import runs
from tests.waits import wait_until


class Waving(MemoryTarget):
    """Its steps are `WAVE/NAME`. `do` is called for each."""

    kind = KIND._replace(capabilities=KIND.capabilities | {"applies_in_waves"})

    def __init__(self, do: Callable[[str], None]) -> None:
        super().__init__("one", InMemoryPlace())
        self.do = do

    def waves(self, steps: Sequence[Step]) -> Sequence[Sequence[Step]]:
        names = dict.fromkeys(step.id.partition("/")[0] for step in steps)
        return [[step for step in steps if step.id.startswith(f"{name}/")] for name in names]

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        self.do(step.id)
        yield StepApplied(step.id, self.name, {"of": step.id})


class Bench:
    def __init__(self, folder: Path) -> None:
        self.events: list[Event] = []
        self.folder = folder
        self.facts: dict[str, Facts] = {}

    def apply(self, ids: Sequence[str], do: Callable[[str], None]) -> None:
        target = Waving(do)
        with self.run(target) as run:
            steps = [Step(name, name) for name in ids]
            apply_steps(target, steps, target.place, run.session(target), self.facts)

    def run(self, target: MemoryTarget) -> Run:
        process_environment = runs.environment(self.folder)
        loaded = runs.project(self.folder, "app: app\n", process_environment)
        return runs.run(loaded, process_environment, self.events, targets=lambda _: [target])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_steps_of_a_wave_are_applied_in_parallel_and_waves_one_after_the_other(bench: Bench) -> None:
    # Each wave passes only when all of its steps are being applied.
    barriers = {"a": threading.Barrier(3), "b": threading.Barrier(2)}
    done: list[str] = []

    def do(name: str) -> None:
        barriers[name[0]].wait(60)
        done.append(name[0])

    bench.apply(["a/1", "a/2", "a/3", "b/1", "b/2"], do)
    assert "".join(done) == "aaabb"
    assert bench.facts == {name: {"of": name} for name in ("a/1", "a/2", "a/3", "b/1", "b/2")}


def test_no_more_steps_than_the_bound_are_applied_at_once(bench: Bench) -> None:
    now, most, lock, several = [0], [0], threading.Lock(), threading.Event()

    def do(name: str) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            if now[0] > 1:
                several.set()
        several.wait(60)
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1

    bench.apply([f"a/{number}" for number in range(3 * AT_ONCE)], do)
    assert 1 < most[0] <= AT_ONCE and len(bench.facts) == 3 * AT_ONCE


def test_after_a_failure_no_step_begins_and_what_was_applied_is_known(bench: Bench) -> None:
    begun, failing = [], list[threading.Thread]()

    def do(name: str) -> None:
        begun.append(name)
        if name == "a/0":
            failing.append(threading.current_thread())
            raise RemoteError("the disk is full", where="PATCH there")
        wait_until("the failure is known, as its thread ends", lambda: failing and not failing[0].is_alive())

    with pytest.raises(RemoteError, match="the disk is full"):
        bench.apply([*(f"a/{number}" for number in range(500)), "b/1"], do)
    assert "b/1" not in begun and len(begun) <= AT_ONCE
    assert set(bench.facts) == set(begun) - {"a/0"}
    assert [event.step.subject for event in bench.events if isinstance(event, StepFailed)] == ["a/0"]


def test_of_several_failures_a_change_by_somebody_else_is_told_then_the_first_of_the_plan(bench: Bench) -> None:
    barrier, superseded = threading.Barrier(3), DeployFailed("changed since the plan", where="one")
    superseded.superseded_by = "kubectl-edit"
    errors: dict[str, ShipitError] = {
        "a/0": RemoteError("first", where="x"), "a/1": RemoteError("second", where="x"), "a/2": superseded
    }  # fmt: skip

    def do(name: str) -> None:
        barrier.wait(60)
        raise errors[name]

    with pytest.raises(DeployFailed, match="changed since the plan"):
        bench.apply(list(errors), do)
    errors["a/2"] = RemoteError("third", where="x")
    with pytest.raises(RemoteError, match="first"):
        bench.apply(list(errors), do)


class Telling(Waving):
    """Says what it can still read of its place."""

    kind = KIND._replace(capabilities=KIND.capabilities | {"diagnoses"})

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        return verdict._replace(detail=(f"the others run on: {verdict.reason}",))


def test_a_lock_whose_place_does_not_answer_ends_a_step_with_what_is_known_of_the_others(bench: Bench) -> None:
    target = Telling(lambda name: None)

    def fence() -> None:
        raise RemoteError("no answer", where="web1")

    with bench.run(target) as run:
        session = replace(run.session(target), fence=fence)
        with pytest.raises(RemoteError) as caught:
            apply_steps(target, [Step("a", "a")], target.place, session, bench.facts)
    assert caught.value.detail == ("the others run on: web1: no answer",) and bench.facts == {}
