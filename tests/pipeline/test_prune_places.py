"""Pruning places: what is shown, what is confirmed, and what is looked for again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from shipit.errors import RemoteError, UsageError
from shipit.events import Event, PlanMade, RunFinished, TargetFinished, Warned
from shipit.pipeline.destroy import destroy
from shipit.pipeline.prune_places import prune_places
from shipit.pipeline.run import Run
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.release import Destruction, Leftover, Step
from shipit.targets.session import Session
from tests.pipeline.test_destroy import finished, made


@dataclass(frozen=True, kw_only=True)
class Clear(Step):
    type: ClassVar[str] = "test.clear"


class Engine(MemoryTarget):
    """A place that keeps a stock."""

    kind = MemoryTarget.kind._replace(capabilities=MemoryTarget.kind.capabilities | {"prunes"})

    def __init__(self, name: str, stock: list[str], *, keeps_on: bool = False) -> None:
        super().__init__(name, InMemoryPlace())
        self.held, self.keeps_on = stock, keeps_on

    def stock(self, session: Session) -> Sequence[str]:
        if "unreadable" in self.held:
            raise RemoteError("is out of reach", where=self.name)
        return tuple(self.held)

    def plan_prune(self, stock: Sequence[str]) -> tuple[Step, ...]:
        return tuple(Clear(name, f"remove {name}") for name in stock)

    def prune_notes(self, stock: Sequence[str]) -> Sequence[str]:
        return ("2 images stay",)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        if not self.keeps_on:
            self.held.remove(step.id)
        yield from ()


def begun(folder: Path, *targets: MemoryTarget, answer: bool = True) -> tuple[Run, list[Event]]:
    run, events = made(folder, targets)
    run.confirm = lambda plan, reasons: answer
    return run, events


def test_what_nothing_needs_is_removed_after_a_yes_and_a_second_time_there_is_nothing(tmp_path: Path) -> None:
    engine, other = Engine("hosts", ["a", "b"]), MemoryTarget("memory", InMemoryPlace())
    run, _ = begun(tmp_path, engine, other, answer=False)
    with pytest.raises(UsageError, match="not confirmed: hosts: remove a; hosts: remove b"):
        prune_places(run, is_selected=False)
    assert engine.held == ["a", "b"]
    run, events = begun(tmp_path, engine, other)
    assert prune_places(run, is_selected=False) == 0
    assert engine.held == [] and finished(events) == [("hosts", "pruned")]
    [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
    assert [own.target for own in plan.targets] == ["hosts"] and plan.targets[0].notes == ("2 images stay",)
    run, events = begun(tmp_path, engine, other, answer=False)
    assert prune_places(run, is_selected=False) == 0
    assert isinstance(events[-1], RunFinished) and events[-1].summary == "nothing to remove"


def test_what_is_still_there_is_a_failure_of_its_target_only(tmp_path: Path) -> None:
    run, events = begun(tmp_path, Engine("one", ["a"], keeps_on=True), Engine("two", ["b"]))
    assert prune_places(run, is_selected=True) == 1
    assert finished(events) == [("one", "failed"), ("two", "pruned")]
    [reason] = [event.reason for event in events if isinstance(event, TargetFinished) and event.state == "failed"]
    assert reason == "remove a: it is still there, or new"


def test_nothing_is_removed_where_a_place_can_not_be_read_or_keeps_nothing(tmp_path: Path) -> None:
    engine, memory = Engine("two", ["b"]), MemoryTarget("memory", InMemoryPlace())
    with pytest.raises(RemoteError, match="is out of reach"):
        prune_places(begun(tmp_path, Engine("one", ["unreadable"]), engine)[0], is_selected=False)
    with pytest.raises(UsageError, match="memory is a memory, which keeps nothing to prune"):
        prune_places(begun(tmp_path, engine, memory)[0], is_selected=True)
    with pytest.raises(UsageError, match="no target is on a Docker engine"):
        prune_places(begun(tmp_path, memory)[0], is_selected=False)
    assert engine.held == ["b"]


class Shared(Engine):
    """An engine whose image is needed until its app is gone."""

    def plan_destroy(self, inventory: object, wanted: Destruction) -> tuple[Step, ...]:
        names = ["app"] if "app" in self.held else [name for name in self.held if wanted.images]
        return self.plan_prune(names)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        if step.id == "app" or not self.keeps_on:
            self.held.remove(step.id)
        yield from ()


@pytest.mark.parametrize(("keeps_on", "states"), [(False, ["removed"]), (True, ["removed", "failed"])])
def test_destroy_removes_images_that_nothing_needs_once_the_targets_are_gone(
    tmp_path: Path, keeps_on: bool, states: list[str]
) -> None:
    engine = Shared("hosts", ["app", "image"], keeps_on=keeps_on)
    run, events = begun(tmp_path, engine)
    assert destroy(run, Destruction(images=True), is_selected=False) == int(keeps_on)
    assert finished(events) == [("hosts", state) for state in states]
    assert engine.held == (["image"] if keeps_on else [])


class Busy(Shared):
    """An engine on which somebody deploys again, and whose images stay, when its app is gone."""

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        yield from super().apply(step, session)
        if step.id == "image":
            self.held.append("app")

    def leftovers(self, inventory: object, wanted: Destruction) -> Sequence[Leftover]:
        return (Leftover("images stay"),) if wanted.images and "image" not in self.held else ()


def test_the_look_for_images_removes_nothing_else_and_tells_what_stays(tmp_path: Path) -> None:
    one, two = Busy("one", ["app", "image"]), Shared("two", ["app"])
    run, events = begun(tmp_path, one, two)
    assert destroy(run, Destruction(images=True), is_selected=False) == 0
    assert one.held == ["app"], "nobody has seen a plan for it"
    assert [event.message for event in events if isinstance(event, Warned)] == ["images stay"]
    [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
    shared = "images that only these targets need are removed, too, when all of the targets are"
    assert [own.notes for own in plan.targets] == [(), (shared,)]
