"""A rollback whose plan was saved, on places in memory: exactly what it says, or nothing and what moved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.errors import ShipitError, UsageError
from shipit.events import PlanMade
from shipit.history.saved_plan import SavedPlan, read_plan, write_plan
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.promise import promise
from shipit.pipeline.return_to_release import rollback, save_rollback
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.targets.kinds import load_steps
from tests.pipeline.bench import Bench

KEY = b"key of the test"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with EmbeddedRegistry() as registry:
        made = Bench(tmp_path, registry)
        for name in ("one", "two"):
            made.add(name, protected=True)
        for text in ("first", "second"):
            release(made, text)
        yield made


def release(bench: Bench, text: str) -> None:
    (bench.folder / "hello.txt").write_text(text)
    assert deploy(bench.run()) == 0


def running(bench: Bench) -> dict[str, str]:
    return {name: place.images["app"] for name, place in bench.worlds.items()}


def saved_rollback(bench: Bench, wanted: str = "") -> SavedPlan:
    load_steps()
    before, writes = running(bench), [len(place.writes) for place in bench.worlds.values()]
    file = bench.folder / "plan.json"
    write_plan(file, save_rollback(bench.run(), wanted, 3600), KEY)
    assert running(bench) == before and [len(place.writes) for place in bench.worlds.values()] == writes
    assert all(not place.lock.get("holder") for place in bench.worlds.values())
    return read_plan(file, KEY)


def refused(bench: Bench, saved: SavedPlan) -> str:
    before = running(bench)
    run = bench.run()
    with pytest.raises(ShipitError) as caught:
        rollback(run, saved=saved)
    assert running(bench) == before
    return caught.value.render()


def test_a_saved_rollback_is_done_without_a_question(bench: Bench) -> None:
    saved = saved_rollback(bench)
    [first] = {place.records[0]["past"]["version"] for place in bench.worlds.values()}
    assert [own.returns_to for own in saved.plan.targets] == [first, first]
    asked = bench.run()
    asked.confirm = lambda plan, reasons: False
    with pytest.raises(UsageError, match="not confirmed"):
        rollback(asked)
    run = bench.run()
    run.confirm = lambda plan, reasons: pytest.fail("a saved plan asks nothing")
    assert rollback(run, saved=saved) == 0
    assert {place.records[-1]["past"]["returns_to"] for place in bench.worlds.values()} == {first}
    [made] = [event for event in bench.events if isinstance(event, PlanMade)]
    assert made.plan == saved.plan
    assert "no longer needed: " in refused(bench, saved)


def test_what_was_released_since_stops_a_saved_rollback(bench: Bench) -> None:
    saved = saved_rollback(bench)
    was = bench.worlds["one"].records[-1]["past"]["version"]
    release(bench, "third")
    now = bench.worlds["one"].records[-1]["past"]["version"]
    said = refused(bench, saved)
    assert "does not hold any more; nothing was changed" in said and f"one: it ran {was}, and runs {now}\n" in said
    assert said.endswith("hint: make a new plan, and look at it: shipit rollback --save FILE")


def test_the_release_of_the_plan_stays_the_one_to_return_to(bench: Bench) -> None:
    release(bench, "third")
    third = running(bench)
    oldest = bench.worlds["one"].records[0]["past"]["version"]
    saved = saved_rollback(bench, oldest)
    assert rollback(bench.run(), saved=saved) == 0
    assert running(bench) != third
    assert {place.records[-1]["past"]["returns_to"] for place in bench.worlds.values()} == {oldest}


def test_a_plan_is_for_its_command(bench: Bench) -> None:
    saved = saved_rollback(bench)
    with pytest.raises(UsageError) as caught:
        deploy(bench.run(), saved)
    assert caught.value.render() == (
        "the saved plan is for a rollback, not for a deploy\nhint: shipit rollback --plan FILE"
    )
    (bench.folder / "hello.txt").write_text("third")
    run = bench.run()
    of_deploy = promise(run, plan(run, is_deploy=True), 3600)
    assert refused(bench, of_deploy) == (
        "the saved plan is for a deploy, not for a rollback\nhint: shipit deploy --plan FILE"
    )


def test_a_saved_rollback_expires(bench: Bench) -> None:
    saved = saved_rollback(bench)
    bench.clock.sleep(3700)
    said = refused(bench, saved)
    assert "the saved plan expired at " in said and said.endswith("make a new one: shipit rollback --save FILE")
