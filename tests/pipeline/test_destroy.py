"""Destroying targets: what is listed, what is confirmed, and what is looked for again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from shipit.errors import UsageError
from shipit.events import Event, PlanMade, RunFinished, TargetFinished, Warned
from shipit.pipeline.destroy import destroy
from shipit.pipeline.run import Run
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace, MemoryObserved
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.release import Destruction, Leftover, Plan
from shipit.targets.base import Target
from tests import runs

TEXT = "app: shop\nimage: example.com/shop\ntargets: {hub: }\n"


def made(folder: Path, targets: Sequence[Target] = ()) -> tuple[Run, list[Event]]:
    """A run over targets of choice; without any, over the registry of deploy.yml."""
    environment, events = runs.environment(folder), list[Event]()
    project = runs.project(folder, TEXT, environment)
    return runs.run(project, environment, events, targets=(lambda _: targets) if targets else None), events


def finished(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.target, event.state) for event in events if isinstance(event, TargetFinished)]


def test_what_was_made_is_removed_and_a_second_time_there_is_nothing(tmp_path: Path) -> None:
    place = InMemoryPlace(images={"web": "sha256:1"}, marks={"TOKEN": "canary-4711"})
    run, events = made(tmp_path, [MemoryTarget("memory", place)])
    assert destroy(run, Destruction(), is_selected=False) == 0
    assert (place.images, place.marks) == ({}, {})
    assert finished(events) == [("memory", "removed")]
    [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
    assert [step.summary for step in plan.targets[0].steps] == ["remove web, TOKEN"]
    run, events = made(tmp_path, [MemoryTarget("memory", place)])
    assert destroy(run, Destruction(), is_selected=False) == 0
    assert isinstance(events[-1], RunFinished) and events[-1].summary == "nothing to remove"


def test_what_needs_an_approval_is_removed_only_with_one(tmp_path: Path) -> None:
    place = InMemoryPlace(images={"web": "sha256:1"})

    def run_of(typed: str) -> Run:
        run, _ = made(tmp_path, [MemoryTarget("memory", place, config=MemoryConfig.model_validate({"approve": True}))])
        run.confirm = lambda plan, reasons: True
        run.approve = lambda plan, name: name == typed
        return run

    with pytest.raises(UsageError, match="the target memory is changed only with an approval"):
        destroy(run_of("something else"), Destruction(), is_selected=False)
    assert place.images == {"web": "sha256:1"} and not place.writes
    assert destroy(run_of("memory"), Destruction(), is_selected=False) == 0
    assert place.images == {}


def test_nothing_is_removed_without_a_confirmation(tmp_path: Path) -> None:
    place = InMemoryPlace(images={"web": "sha256:1"})
    run, _ = made(tmp_path, [MemoryTarget("memory", place)])
    asked: list[Sequence[str]] = []

    def refuse(plan: Plan, reasons: Sequence[str]) -> bool:
        asked.append(reasons)
        return False

    run.confirm = refuse
    with pytest.raises(UsageError, match="not confirmed: nothing was removed"):
        destroy(run, Destruction(), is_selected=False)
    assert asked == [["remove from memory (place of memory)"]]
    assert place.images == {"web": "sha256:1"} and not place.writes


def test_a_step_that_fails_is_told_and_the_other_targets_are_removed(tmp_path: Path) -> None:
    broken, well = InMemoryPlace(images={"a": "1"}, fails="apply"), InMemoryPlace(images={"b": "1"})
    run, events = made(tmp_path, [MemoryTarget("one", broken), MemoryTarget("two", well)])
    assert destroy(run, Destruction(), is_selected=False) == 1
    assert sorted(finished(events)) == [("one", "failed"), ("two", "removed")]
    assert well.images == {}
    assert isinstance(events[-1], RunFinished) and events[-1].summary == "1 of 2 targets failed"


def test_what_comes_back_while_it_is_removed_is_a_failure(tmp_path: Path) -> None:
    place = InMemoryPlace(images={"web": "sha256:1"})

    class Stubborn(MemoryTarget):
        def apply(self, step, session):  # type: ignore[no-untyped-def]
            yield from super().apply(step, session)
            place.images["web"] = "sha256:2"

    run, events = made(tmp_path, [Stubborn("memory", place)])
    assert destroy(run, Destruction(), is_selected=False) == 1
    [end] = [event for event in events if isinstance(event, TargetFinished)]
    assert end.reason == "1 steps are left, the first: remove web"


@pytest.mark.parametrize(("takes_volumes", "removed"), [(True, ("volume/data",)), (False, ())])
def test_every_volume_is_removed_and_nothing_else_that_stays(
    tmp_path: Path, takes_volumes: bool, removed: tuple[str, ...]
) -> None:
    asked: list[Destruction] = []

    class Keeping(MemoryTarget):
        def leftovers(self, inventory: MemoryObserved, wanted: Destruction) -> Sequence[Leftover]:
            left = (Leftover("data stays", "volume/data", is_volume=True), Leftover("app stays", "app/shop"))
            return tuple(item for item in left if item.name not in wanted.named)

        def plan_destroy(self, inventory, wanted):  # type: ignore[no-untyped-def]
            asked.append(wanted)
            return super().plan_destroy(inventory, wanted)

    run, events = made(tmp_path, [Keeping("memory", InMemoryPlace(images={"web": "sha256:1"}))])
    assert destroy(run, Destruction(), is_selected=False, takes_volumes=takes_volumes) == 0
    assert {wanted.named for wanted in asked} == {removed}
    [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
    assert plan.targets[0].notes == (() if takes_volumes else ("data stays",)) + ("app stays",)


def test_what_can_not_be_included_is_an_error_before_anything_is_removed(tmp_path: Path) -> None:
    place = InMemoryPlace(images={"web": "sha256:1"})
    run, _ = made(tmp_path, [MemoryTarget("memory", place)])
    with pytest.raises(UsageError, match="there is no app/x to include"):
        destroy(run, Destruction(("app/x",)), is_selected=False)
    assert not place.writes


def test_the_images_in_a_registry_stay(tmp_path: Path) -> None:
    run, events = made(tmp_path)
    assert destroy(run, Destruction(), is_selected=True) == 0
    [plan] = [event.plan for event in events if isinstance(event, PlanMade)]
    assert plan.targets[0].notes == ("the images in example.com/shop stay: delete them on the pages of the registry",)


def test_a_kind_that_can_not_be_destroyed_is_an_error_where_it_is_named(tmp_path: Path) -> None:
    class Bare(MemoryTarget):
        kind = MemoryTarget.kind._replace(capabilities=frozenset())

    run, _ = made(tmp_path, [Bare("memory", InMemoryPlace())])
    with pytest.raises(UsageError, match="memory is a memory, which shipit can't destroy"):
        destroy(run, Destruction(), is_selected=True)
    run, events = made(tmp_path, [Bare("memory", InMemoryPlace())])
    assert destroy(run, Destruction(), is_selected=False) == 0
    assert any(isinstance(event, Warned) and "what is there stays" in event.message for event in events)
