"""Watching a place: who superseded a deploy, what is probed and warned of, and that every wait ends at the deadline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import DeployFailed
from shipit.events import Event, StepDone, TargetFinished, Waiting, Warned
from shipit.pipeline.flow import deploy
from shipit.pipeline.run import Run
from shipit.pipeline.verdict import await_verdict
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace, MemoryObserved
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse, Release, Seen, State, Verdict
from shipit.targets.session import Session
from tests import runs


class Slow(MemoryTarget):
    """Needs `looks` seconds for each look, and says in the end what it was asked for."""

    looks_s = 0.0
    diagnosed_for_s = -1.0

    def observe(self, session: Session) -> MemoryObserved:
        if self.in_memory.writes and self.looks_s:
            session.deadline.sleep(self.looks_s, "an answer of memory")
            session.deadline.check("an answer of memory")
        return super().observe(session)

    def judge(self, release: Release, observed: MemoryObserved, seen: Seen) -> Verdict:
        verdict = super().judge(release, observed, seen)
        if verdict.state is State.HEALTHY and self.in_memory.author == "empty":
            return verdict._replace(warnings=("nothing serves: 0 of 0",))
        return verdict

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        self.diagnosed_for_s = session.deadline.remaining_s()
        return super().diagnose(verdict, session)


class Bench:
    def __init__(self, folder: Path, registry: EmbeddedRegistry) -> None:
        self.folder, self.registry, self.in_memory = folder, registry, InMemoryPlace()
        self.events: list[Event] = []
        self.config: dict[str, Any] = {"settle": "0s"}
        self.looks_s = 0.0
        self.target: Slow | None = None

    def run(self, note: str = "") -> Run:
        self.events.clear()
        process_environment = runs.environment(self.folder)
        loaded = runs.project(self.folder, f"app: app\nimage: {self.registry.host}/app\n", process_environment)
        (self.folder / "hello.txt").write_text(note)
        use = ImageUse("app", f"{self.registry.host}/app", "oci", "linux/amd64", None, ("latest",))
        self.target = Slow("one", self.in_memory, [use], MemoryConfig.model_validate(self.config))
        self.target.looks_s = self.looks_s
        return runs.run(
            loaded, process_environment, self.events, targets=lambda _: [self.target] if self.target else []
        )

    def finished(self) -> TargetFinished:
        [found] = [event for event in self.events if isinstance(event, TargetFinished)]
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with EmbeddedRegistry() as registry:
        yield Bench(tmp_path, registry)


def test_what_somebody_else_released_is_not_rolled_back(bench: Bench) -> None:
    assert deploy(bench.run("one")) == 0
    bench.config["on_failure"] = "rollback"
    run = bench.run("two")

    def meddle(event: Event) -> None:
        if isinstance(event, StepDone) and event.step.target:
            bench.in_memory.images, bench.in_memory.author = {"app": "sha256:" + "f" * 64}, "rival"

    runs.react(run, meddle)
    assert deploy(run) == 1
    assert bench.finished().reason == (
        "superseded by rival: app runs ffffffffffff; not rolled back: rival changed this place since the plan"
    )
    assert bench.in_memory.writes == ["set", "set"] and bench.in_memory.images == {"app": "sha256:" + "f" * 64}


def test_that_nothing_was_changed_is_said_only_when_it_was_seen(bench: Bench) -> None:
    bench.config["on_failure"] = "rollback"
    assert deploy(bench.run("one")) == 0
    run = bench.run("two")
    assert bench.target is not None
    bench.in_memory.fails = "apply"
    bench.target.plan_rollback = lambda release, before, now, applied: ()  # type: ignore[method-assign]

    def meddle(event: Event) -> None:
        if type(event).__name__ == "StepFailed":
            bench.in_memory.images, bench.in_memory.author = {}, "rival"

    runs.react(run, meddle)
    assert deploy(run) == 1
    assert bench.finished().reason.endswith("; nothing was rolled back: it runs what rival set")


def test_what_does_not_answer_is_waited_for_and_fails_at_the_deadline(bench: Bench) -> None:
    bench.config["timeout"] = "10s"
    bench.in_memory.serves = False
    assert deploy(bench.run("one")) == 1
    assert [event.reason for event in bench.events if isinstance(event, Waiting)] == ["it does not answer"]
    assert bench.finished().reason == "it does not answer at the deadline"
    bench.in_memory.serves = True
    assert deploy(bench.run("one")) == 0


def test_a_warning_of_the_verdict_is_told_once(bench: Bench) -> None:
    assert deploy(bench.run("one")) == 0
    assert [event for event in bench.events if isinstance(event, Warned)] == []
    bench.in_memory.author = "empty"
    assert deploy(bench.run("one")) == 0
    assert [event for event in bench.events if isinstance(event, Warned)] == [Warned("one", "nothing serves: 0 of 0")]


def test_a_look_that_outlasts_the_deadline_says_what_it_waited_for_and_still_brings_the_last_words(
    bench: Bench,
) -> None:
    bench.config["timeout"] = "10s"
    bench.in_memory.starting, bench.looks_s = 3, 7.0
    assert deploy(bench.run("one")) == 1
    finished = bench.finished()
    assert finished.reason == "2 looks to go; the deadline passed while waiting for an answer of memory"
    assert finished.detail == ("last words",)
    assert bench.target is not None and bench.target.diagnosed_for_s == 15.0


def test_a_tag_that_somebody_else_moves_meanwhile_stays_with_them(bench: Bench) -> None:
    assert deploy(bench.run("one")) == 0
    run = bench.run("two")
    [(name, digest)] = [(name, digest) for (name, digest) in bench.registry.manifests]
    foreign = "sha256:" + "e" * 64
    bench.registry.manifests[name, foreign] = bench.registry.manifests[name, digest]

    def meddle(event: Event) -> None:
        if isinstance(event, TargetFinished):
            bench.registry.tags[name, "latest"] = foreign

    runs.react(run, meddle)
    with pytest.raises(DeployFailed, match="someone else moved the tag latest to eeeeeeeeeeee during this deploy"):
        deploy(run)
    assert bench.registry.tags[name, "latest"] == foreign


@pytest.mark.parametrize("ends", [True, False])
def test_a_stall_is_counted_from_the_look_in_which_the_place_moved(bench: Bench, ends: bool) -> None:
    """The first phase may take any time, the second five seconds."""
    run = bench.run()
    assert bench.target is not None
    session = run.session(bench.target)
    started = session.clock.now()

    def judge(observed: Any, seen: Seen) -> Verdict:
        elapsed_s = session.clock.now() - started
        if elapsed_s < 20:
            return Verdict(State.WAITING, "works", "works")
        if ends and elapsed_s > 24:
            return Verdict(State.HEALTHY, "runs", "runs")
        if seen.unchanged_s > 5:
            return Verdict(State.FAILED, "starts: no progress", "starts")
        return Verdict(State.WAITING, "starts", "starts")

    if ends:
        assert await_verdict(bench.target, judge, session, None).verdict.reason == "runs"
    else:
        with pytest.raises(DeployFailed, match="starts: no progress"):
            await_verdict(bench.target, judge, session, None)
        assert 25 <= session.clock.now() - started < 30
