"""Targets in turns: one first, then a number at the same time, and none after a failure."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.events import Event, PlanMade, StepDone, TargetFinished
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.return_to_release import rollback
from shipit.rehearsal.memory.place import MemoryObserved
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Status, Step
from shipit.targets.session import Session
from tests import runs
from tests.in_process import InProcess
from tests.pipeline.bench import Bench

NAMES = ["a", "b", "c", "d", "e"]


class Meter:
    """Counts the targets that are changed at the same time. Those after the first wait for a partner in their step."""

    def __init__(self, first: str) -> None:
        self.first = first
        self.active: set[str] = set()
        self.most = 0
        self.begun: list[str] = []
        self._lock = threading.Lock()
        self._pair = threading.Barrier(2)

    def begin(self, name: str) -> None:
        with self._lock:
            self.active.add(name)
            self.begun.append(name)
            self.most = max(self.most, len(self.active))
        if name != self.first:
            self._pair.wait(60)

    def end(self, name: str) -> None:
        with self._lock:
            self.active.discard(name)


class Metered(MemoryTarget):
    """Is active from its first step until it is described as verified."""

    meter: Meter

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        self.meter.begin(self.name)
        yield from super().apply(step, session)

    def describe(self, observed: MemoryObserved) -> Status:
        self.meter.end(self.name)
        return super().describe(observed)


def test_the_first_is_changed_alone_and_the_others_as_many_at_a_time_as_the_file_says(bench: Bench) -> None:
    bench.text += "max_parallel: 2\n"
    for name in NAMES:
        bench.add(name)
    run, meter = bench.run(), Meter("a")
    for target in run.targets:
        assert isinstance(target, MemoryTarget)
        target.__class__ = Metered
        target.meter = meter  # type: ignore[attr-defined]
    assert deploy(run) == 0
    assert set(bench.verdicts().values()) == {"healthy"}
    assert (meter.begun[0], meter.most) == ("a", 2)
    assert set(meter.begun[1:3]) == {"b", "c"}, "in the order of the plan"


def states(bench: Bench) -> dict[str, str]:
    return {name: bench.verdicts()[name] for name in NAMES}


@pytest.mark.parametrize(
    ("failing", "on_failure", "expected"),
    [
        ("a", "stop", ["failed", "skipped", "skipped", "skipped", "skipped"]),
        ("c", "stop", ["healthy", "healthy", "failed", "skipped", "skipped"]),
        ("c", "rollback", ["healthy", "healthy", "failed", "skipped", "skipped"]),
        ("a", "continue", ["failed", "healthy", "healthy", "healthy", "healthy"]),
        ("c", "continue", ["healthy", "healthy", "failed", "healthy", "healthy"]),
    ],
)
def test_no_target_starts_after_a_failure(bench: Bench, failing: str, on_failure: str, expected: list[str]) -> None:
    bench.text += "max_parallel: 1\n"
    for name in NAMES:
        bench.add(name, on_failure=on_failure if name == failing else "stop")
    bench.worlds[failing].fails = "judge"
    assert deploy(bench.run()) == 1
    assert states(bench) == dict(zip(NAMES, expected, strict=True))
    reasons = {event.reason for event in bench.events if isinstance(event, TargetFinished) and event.state == "skipped"}
    assert reasons <= {"another target failed"}
    assert all(not bench.worlds[name].writes for name, state in states(bench).items() if state == "skipped")


def test_what_is_needed_comes_first_and_unchanged_targets_take_no_turn(bench: Bench) -> None:
    for name in NAMES:
        bench.add(name)
    bench.worlds["b"].fails = "judge"
    assert deploy(bench.run()) == 1
    bench.worlds["b"].fails = ""
    bench.worlds["b"].images.clear()
    bench.worlds["e"].images.clear()
    bench.text += "max_parallel: 1\n"
    bench.add("b", needs=["e"])
    plan(bench.run())
    [made] = bench.of(PlanMade)
    assert isinstance(made, PlanMade)
    noted = {own.target for own in made.plan.targets if own.notes}
    assert noted == {"e"}
    assert deploy(bench.run()) == 0
    assert states(bench) == {"a": "unchanged", "b": "healthy", "c": "unchanged", "d": "unchanged", "e": "healthy"}


def test_a_rollback_begins_with_the_target_that_no_other_needs(bench: Bench) -> None:
    bench.text += "max_parallel: 1\n"
    bench.add("db")
    bench.add("web", needs=["db"])
    for text in ("one", "two"):
        (bench.folder / "hello.txt").write_text(text)
        assert deploy(bench.run()) == 0
    assert rollback(bench.run()) == 0
    assert list(bench.verdicts().items()) == [("web", "healthy"), ("db", "healthy")]


def test_a_killed_deploy_goes_on_with_what_is_left(bench: Bench) -> None:
    bench.text += "max_parallel: 1\n"
    for name in NAMES:
        bench.add(name)
    run = bench.run()
    runs.react(
        run,
        lambda event: run.clock.cancel.set() if isinstance(event, StepDone) and event.step.target == "b" else None,
    )
    with pytest.raises(Exception, match="interrupted"):
        deploy(run)
    run.close()
    assert [bench.worlds[name].writes for name in NAMES] == [["set"], ["set"], [], [], []]
    bench.clock.cancel.clear()
    assert deploy(bench.run()) == 0
    assert [bench.worlds[name].writes for name in NAMES] == [["set"]] * 5


def test_the_command_line_shows_the_order_in_the_plan(in_process: InProcess, registry: EmbeddedRegistry) -> None:
    in_process.write(
        Dockerfile='FROM scratch\nCOPY hello.txt /\nCMD ["x"]\n',
        hello__txt="hello\n",
        deploy__yml=f"app: shop\nmax_parallel: 3\nimages:\n  a: {{repository: {registry.host}/a}}\n"
        f"  b: {{repository: {registry.host}/b}}\ntargets:\n  hub: {{images: [a], settle: 0s}}\n"
        "  eu: {kind: registry, images: [b], settle: 0s}\n",
    )
    shown = in_process.run("plan")
    note = "  . is deployed first, alone; when it is healthy, the others follow, at most 3 at the same time"
    assert (shown.returncode, shown.stdout.count(note)) == (0, 1), shown.stdout + shown.stderr
    done = in_process.run("deploy")
    assert done.returncode == 0, done.stderr


def test_an_environment_has_its_own_number(tmp_path: Path) -> None:
    text = "app: shop\nimage: user/shop\ntargets: {hub: {}}\nenvironments: {production: {inherit: true, max_parallel: 2}}\n"
    assert runs.project(tmp_path, text, runs.environment(tmp_path)).max_parallel == 2
