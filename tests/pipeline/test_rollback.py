"""Rollbacks on places in memory: by command, after a failure, and of everything that a run changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.errors import UsageError
from shipit.events import PlanMade, RunFinished, StepDone, StepStarted, TargetFinished, Warned
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.return_to_release import rollback
from shipit.pipeline.run import Run
from shipit.rehearsal.memory.lock import read_row, swap_row
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.targets.locks import Holder
from tests import runs
from tests.pipeline.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with EmbeddedRegistry() as registry:
        yield Bench(tmp_path, registry)


def release(bench: Bench, text: str, fails: str = "") -> dict[str, str]:
    """Deploy an image with a text, which fails or not; what every place runs afterwards."""
    (bench.folder / "hello.txt").write_text(text)
    for place in bench.worlds.values():
        place.fails = fails
    assert deploy(bench.run()) == (1 if fails else 0)
    for place in bench.worlds.values():
        place.fails = ""
    return {name: place.images["app"] for name, place in bench.worlds.items()}


def states(place: InMemoryPlace) -> list[tuple[str, str]]:
    """State and whether it returned to another, of each record; the oldest first."""
    return [(row["past"]["state"], "returned" if row["past"]["returns_to"] else "") for row in place.records]


def finished(bench: Bench) -> TargetFinished:
    [event] = [event for event in bench.events if isinstance(event, TargetFinished)]
    return event


def test_rollback_returns_to_the_release_before_and_records_it(bench: Bench) -> None:
    place = bench.add("one")
    first = release(bench, "first")
    second = release(bench, "second")
    uploads = dict(bench.registry.tags)
    assert rollback(bench.run()) == 0
    assert {"one": place.images["app"]} == first != second
    assert dict(bench.registry.tags) == uploads, "nothing is pushed"
    assert states(place) == [("healthy", ""), ("healthy", ""), ("healthy", "returned")]
    [made] = [event for event in bench.events if isinstance(event, PlanMade)]
    [own] = made.plan.targets
    run = place.records[0]["past"]["version"]
    assert own.notes == (f"returns to {run} (2023-11-14 22:30 UTC, healthy)",)
    assert place.records[-1]["past"]["changes"] == [step.summary for step in own.steps]
    assert finished(bench).state == "healthy"


def test_a_rollback_counts_only_targets_that_it_changed_as_rolled_back(bench: Bench) -> None:
    one, two = bench.add("one"), bench.add("two")
    first = release(bench, "first")
    release(bench, "second")
    alone = bench.run()
    alone.targets = alone.targets[:1]
    assert rollback(alone) == 0
    assert rollback(bench.run(), one.records[0]["past"]["version"]) == 0
    assert {"one": one.images["app"], "two": two.images["app"]} == first
    assert bench.verdicts() == {"one": "unchanged", "two": "healthy"}
    [end] = [event for event in bench.events if isinstance(event, RunFinished)]
    assert end.summary == "1 of 2 targets rolled back and healthy, 1 unchanged"


def test_rollback_skips_what_was_not_healthy(bench: Bench) -> None:
    place = bench.add("one")
    first = release(bench, "first")
    release(bench, "second", fails="judge")
    release(bench, "third", fails="judge")
    assert rollback(bench.run()) == 0
    assert {"one": place.images["app"]} == first


def test_a_second_rollback_goes_further_back(bench: Bench) -> None:
    place = bench.add("one")
    first = release(bench, "first")
    release(bench, "second")
    release(bench, "third")
    assert rollback(bench.run()) == 0
    assert rollback(bench.run()) == 0
    assert {"one": place.images["app"]} == first
    with pytest.raises(UsageError, match="nothing to roll back to"):
        rollback(bench.run())


def test_rollback_goes_to_the_release_that_is_named(bench: Bench) -> None:
    place = bench.add("one")
    first = release(bench, "first")
    release(bench, "second")
    release(bench, "third")
    run = place.records[0]["past"]["version"]
    assert rollback(bench.run(), run[:6]) == 0
    assert {"one": place.images["app"]} == first
    with pytest.raises(UsageError, match="has no release 'v9'"):
        rollback(bench.run(), "v9")


def test_without_a_release_before_there_is_nothing_to_roll_back_to(bench: Bench) -> None:
    place = bench.add("one")
    release(bench, "first")
    with pytest.raises(UsageError, match="nothing to roll back to: one has no earlier healthy release"):
        rollback(bench.run())
    assert len(place.records) == 1


@pytest.mark.parametrize("state", ["begun", "failed"])
def test_a_rollback_that_was_killed_or_failed_is_completed_by_the_next(bench: Bench, state: str) -> None:
    place = bench.add("one")
    release(bench, "first")
    second = release(bench, "second")
    release(bench, "third")
    place.fails = "apply"
    assert rollback(bench.run()) == 1
    assert place.records[-1]["past"]["state"] == "failed"
    # The record of a killed run has no verdict.
    place.records[-1]["past"]["state"] = state
    place.fails = ""
    assert rollback(bench.run()) == 0
    assert {"one": place.images["app"]} == second
    assert rollback(bench.run(), place.records[-1]["past"]["returns_to"]) == 0
    assert finished(bench).state == "unchanged"
    [end] = [event for event in bench.events if isinstance(event, RunFinished)]
    assert end.summary == "nothing changed, 1 of 1 targets healthy"


def test_what_needs_a_target_is_rolled_back_before_it(bench: Bench) -> None:
    bench.add("base")
    bench.add("top", needs=["base"])
    release(bench, "first")
    release(bench, "second")
    assert rollback(bench.run()) == 0
    done = next(at for at, event in enumerate(bench.events) if isinstance(event, TargetFinished))
    begun = {event.step.target: at for at, event in enumerate(bench.events) if isinstance(event, StepStarted)}
    assert begun["top"] < done < begun["base"]


def test_a_target_after_one_that_failed_to_roll_back_is_skipped(bench: Bench) -> None:
    bench.add("base")
    top = bench.add("top", needs=["base"])
    release(bench, "first")
    second = release(bench, "second")
    top.fails = "judge"
    assert rollback(bench.run()) == 1
    assert bench.verdicts() == {"top": "failed", "base": "skipped"}
    assert bench.worlds["base"].images["app"] == second["base"]


@pytest.mark.parametrize(
    ("state", "said"),
    [("healthy", "the last healthy release"), ("unknown", "an earlier release without a verdict")],
)
def test_after_good_bad_bad_the_last_healthy_release_runs(bench: Bench, state: str, said: str) -> None:
    place = bench.add("one")
    good = release(bench, "good")
    place.records[0]["past"]["state"] = state
    assert release(bench, "bad", fails="judge") != good
    ended = fails_and_returns(bench, place, "worse")
    assert {"one": place.images["app"]} == good
    assert (ended.is_rolled_back, ended.rolled_back_to) == (True, place.records[0]["past"]["version"])
    assert f"; rolled back to {said} (runs): " in ended.reason, ended.reason
    assert states(place) == [(state, ""), ("failed", ""), ("failed", "returned")]
    assert place.current == place.records[0]["past"]["version"]


def test_what_a_rollback_found_healthy_is_brought_back_also_where_its_own_deploy_had_failed(bench: Bench) -> None:
    place = bench.add("one")
    release(bench, "first")
    second = release(bench, "second", fails="judge")
    failed = place.records[-1]["past"]["version"]
    assert rollback(bench.run()) == 0
    assert rollback(bench.run(), failed) == 0
    returned = place.records[-1]["past"]["version"]
    ended = fails_and_returns(bench, place, "third")
    assert {"one": place.images["app"]} == second
    assert "; rolled back to what ran before (runs what it ran): " in ended.reason, ended.reason
    assert ended.is_rolled_back and ended.rolled_back_to in (failed, returned)


def heal_at_rollback(run: Run, place: InMemoryPlace) -> None:
    """What runs is healthy again as soon as it is set back, or the step of a return is done."""

    def call(event: object) -> None:
        if isinstance(event, StepDone) and event.step.subject.startswith(("return to", "set back")):
            place.fails = ""

    runs.react(run, call)


def fails_and_returns(bench: Bench, place: InMemoryPlace, text: str) -> TargetFinished:
    """The end of a deploy of another image that is not healthy, and that goes back."""
    bench.add("one", on_failure="rollback")
    (bench.folder / "hello.txt").write_text(text)
    place.fails = "judge"
    run = bench.run()
    heal_at_rollback(run, place)
    assert deploy(run) == 1
    return finished(bench)


def test_a_record_that_can_not_be_written_is_a_warning(bench: Bench) -> None:
    place = bench.add("one")
    place.fails = "record"
    assert deploy(bench.run()) == 0
    said = [event.message for event in bench.events if isinstance(event, Warned)]
    assert len(said) == 2
    assert "can't be recorded before its first change: place of one: is out of reach" in said[0]
    assert "shipit rollback of other machines do not know it" in said[1]


def test_a_verdict_that_can_not_be_recorded_leaves_a_release_that_others_know(bench: Bench) -> None:
    place = bench.add("one")
    run = bench.run()

    def call(event: object) -> None:
        if isinstance(event, StepDone) and event.step.target == "one":
            place.fails = "record"

    runs.react(run, call)
    assert deploy(run) == 0
    [said] = [event.message for event in bench.events if isinstance(event, Warned)]
    assert "can't be recorded with its verdict, healthy: place of one: is out of reach" in said
    assert said.endswith("; shipit history and shipit rollback of other machines know it without this verdict")
    assert states(place) == [("begun", "")]


def test_an_unchanged_deploy_records_nothing(bench: Bench) -> None:
    place = bench.add("one")
    release(bench, "first")
    assert deploy(bench.run()) == 0
    assert len(place.records) == 1


def deploy_after_a_lost_run(bench: Bench) -> None:
    run = bench.run()
    assert deploy(run) == 0 and finished(bench).state == "unchanged"


def test_a_release_whose_run_died_is_healthy_once_all_of_it_was_verified(bench: Bench) -> None:
    place = bench.add("one")
    release(bench, "first")
    place.records[-1]["past"]["state"] = "begun"
    deploy_after_a_lost_run(bench)
    assert states(place) == [("healthy", "")] and place.records[-1]["past"]["run_state"] == "lost"


def test_a_release_whose_run_died_before_its_settings_were_set_stays_without_a_verdict(bench: Bench) -> None:
    place, text = bench.add("one"), bench.text
    bench.text = f"{text}env: {{MODE: old}}\n"
    release(bench, "first")
    bench.text = f"{text}env: {{MODE: new}}\n"
    release(bench, "first", fails="apply")
    # The record of a killed run has no verdict.
    place.records[-1]["past"]["state"] = "begun"
    bench.text = f"{text}env: {{MODE: old}}\n"
    deploy_after_a_lost_run(bench)
    assert place.marks == {"MODE": "old"}
    assert states(place) == [("healthy", ""), ("begun", "")]


def test_a_release_that_failed_is_healthy_once_a_later_deploy_has_verified_all_of_it(bench: Bench) -> None:
    place = bench.add("one")
    release(bench, "first", fails="judge")
    assert states(place) == [("failed", "")] and place.records[-1]["past"]["reason"]
    release(bench, "first")
    past = place.records[-1]["past"]
    assert states(place) == [("healthy", "")] and (past["run_state"], past["reason"]) == ("failed", "it broke")
    assert finished(bench).state == "unchanged"
    release(bench, "second")
    assert rollback(bench.run()) == 0
    assert states(place)[-1] == ("healthy", "returned")


def test_a_release_that_was_rolled_back_after_its_failure_stays_failed(bench: Bench) -> None:
    place = bench.add("one", on_failure="rollback")
    release(bench, "first")
    place.fails = "judge"
    (bench.folder / "hello.txt").write_text("second")
    assert deploy(bench.run()) == 1
    before = states(place)
    assert before[-1] == ("failed", "returned")
    release(bench, "first")
    assert finished(bench).state == "unchanged" and states(place) == before


def test_a_rollback_that_failed_is_healthy_once_another_finds_nothing_to_do(bench: Bench) -> None:
    place = bench.add("one")
    for text in ("first", "second", "third"):
        release(bench, text)
    place.fails = "judge"
    assert rollback(bench.run()) == 1
    assert states(place)[-1] == ("failed", "returned")
    place.fails = ""
    assert rollback(bench.run()) == 0
    assert finished(bench).state == "unchanged" and states(place)[-1] == ("healthy", "returned")
    assert rollback(bench.run()) == 0
    first, second, _, *returns = [row["past"] for row in place.records]
    assert [past["returns_to"] for past in returns] == [second["version"], first["version"]]
    assert [past["images"] for past in returns] == [second["images"], first["images"]]


def test_a_deploy_without_images_that_was_rolled_back_is_no_rollback(bench: Bench) -> None:
    place = bench.add("one")
    release(bench, "first")
    version = place.records[0]["past"]["version"]
    failed = {"version": "failed", "run": "failed", "state": "failed", "command": "deploy", "returns_to": version}
    place.records.append({"past": {**place.records[0]["past"], **failed, "images": []}, "contents": {}})
    assert rollback(bench.run(), version) == 0
    assert finished(bench).state == "unchanged" and states(place)[-1] == ("failed", "returned")


def test_a_place_that_is_locked_keeps_its_records(bench: Bench) -> None:
    place = bench.add("one")
    release(bench, "first", fails="judge")
    now_s = bench.clock.wall_s()
    assert swap_row(place.lock, read_row(place.lock, now_s), Holder("0123456789ab", "deploy"), now_s + 1000)
    release(bench, "first")
    assert finished(bench).state == "unchanged" and states(place) == [("failed", "")]


def test_a_record_says_who_released_what(bench: Bench) -> None:
    place = bench.add("one")
    job = {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ada", "GITHUB_SERVER_URL": "https://github.example",
           "GITHUB_REPOSITORY": "ada/shop", "GITHUB_RUN_ID": "7"}  # fmt: skip
    assert deploy(bench.run(**job)) == 0
    [row] = place.records
    past = row["past"]
    assert past["by"] == "ada (https://github.example/ada/shop/actions/runs/7)"
    assert past["state"] == "healthy" and past["changes"] == ["set app"] and past["elapsed_s"] == 0.0
    assert past["images"][0]["config_digest"] == place.images["app"]


def broken_by(bench: Bench, name: str) -> None:
    """The next deploy of a changed image fails at one target only."""
    (bench.folder / "hello.txt").write_text("broken")
    bench.worlds[name].fails = "apply"


def test_all_that_a_run_changed_is_taken_back_when_one_fails(bench: Bench) -> None:
    bench.text += "rollback: all\n"
    base, middle, top = bench.add("base"), bench.add("middle", needs=["base"]), bench.add("top", needs=["middle"])
    first = release(bench, "first")
    broken_by(bench, "top")
    assert deploy(bench.run()) == 1
    assert {name: place.images["app"] for name, place in bench.worlds.items()} == first
    last = [event for event in bench.events if isinstance(event, TargetFinished)]
    assert [(event.target, event.state, event.is_rolled_back) for event in last] == [
        ("base", "healthy", False),
        ("middle", "healthy", False),
        ("top", "failed", True),
        ("middle", "failed", True),
        ("base", "failed", True),
    ]
    assert last[-1].reason.startswith("healthy, and taken back because top failed; rolled back to what ran before")
    assert [states(place)[-1] for place in (base, middle)] == [("failed", "returned")] * 2
    [end] = [event for event in bench.events if isinstance(event, RunFinished)]
    assert end.summary == "3 of 3 targets failed"
    assert [(own.target, own.state, bool(own.version)) for own in end.ends] == [
        (name, "rolled_back", True) for name in ("base", "middle", "top")
    ]
    assert end.next == "shipit deploy base middle top"
    top.fails = ""
    assert deploy(bench.run()) == 0, "the next run converges"


def test_a_target_whose_after_hook_failed_is_taken_back_like_the_others(bench: Bench) -> None:
    bench.text += "rollback: all\n"
    base = bench.add("base")
    bench.add("top")
    first = release(bench, "first")
    broken_by(bench, "top")
    bench.add("base", hooks={"after": "exit 1"})
    bench.add("top", needs=[], hooks={"before": "sleep 0.5"})
    assert deploy(bench.run()) == 1
    assert base.images["app"] == first["base"] and states(base)[-1] == ("failed", "returned")
    last = [event for event in bench.events if isinstance(event, TargetFinished) and event.target == "base"][-1]
    assert last.is_rolled_back and last.reason.startswith(
        "it was healthy, but the hook after: exit 1 ended with 1, and taken back because top failed; rolled back to what ran before"
    )


def test_what_could_not_be_taken_back_is_not_told_as_taken_back(bench: Bench) -> None:
    bench.text += "rollback: all\n"
    base = bench.add("base")
    bench.add("top", needs=["base"])
    first = release(bench, "first")
    broken_by(bench, "top")
    run = bench.run()

    def call(event: object) -> None:
        if isinstance(event, TargetFinished) and event.target == "top":
            base.fails = "apply"

    runs.react(run, call)
    assert deploy(run) == 1
    assert base.images["app"] != first["base"]
    last = [event for event in bench.events if isinstance(event, TargetFinished)][-1]
    assert (last.target, last.state, last.is_rolled_back, last.rolled_back_to) == ("base", "failed", False, "")
    assert last.reason.startswith("healthy, and to be taken back because top failed; rolling back failed, too: ")


@pytest.mark.parametrize(("text", "on_failure"), [("", "stop"), ("rollback: all\n", "continue")])
def test_without_that_or_where_a_target_may_fail_the_others_stay(bench: Bench, text: str, on_failure: str) -> None:
    bench.text += text
    base = bench.add("base")
    bench.add("top", needs=["base"], on_failure=on_failure)
    first = release(bench, "first")
    broken_by(bench, "top")
    assert deploy(bench.run()) == 1
    assert base.images["app"] != first["base"]
    assert bench.verdicts() == {"base": "healthy", "top": "failed"}


def test_a_target_with_on_failure_continue_is_not_taken_back(bench: Bench) -> None:
    bench.text += "rollback: all\n"
    base, may_fail = bench.add("base"), bench.add("may-fail", on_failure="continue")
    bench.add("top", needs=["base", "may-fail"])
    first = release(bench, "first")
    broken_by(bench, "top")
    assert deploy(bench.run()) == 1
    assert base.images["app"] == first["base"] and may_fail.images["app"] != first["may-fail"]
    assert states(may_fail)[-1] == ("healthy", "")
    assert bench.verdicts() == {"base": "failed", "may-fail": "healthy", "top": "failed"}


def test_the_plan_says_that_it_would_bring_back_what_was_rolled_back(bench: Bench) -> None:
    place = bench.add("one")
    release(bench, "first")
    release(bench, "second")
    second = place.records[-1]["past"]["version"]
    assert rollback(bench.run()) == 0
    plan(bench.run())
    [made] = [event for event in bench.events if isinstance(event, PlanMade)]
    [own] = made.plan.targets
    assert own.notes == (f"this would bring back {second} (2023-11-14 22:30 UTC, healthy), which was rolled back",)
    (bench.folder / "hello.txt").write_text("third")
    plan(bench.run())
    [made] = [event for event in bench.events if isinstance(event, PlanMade)]
    assert made.plan.targets[0].notes == ()


def test_a_rolled_back_target_stays_so_until_something_changes_where_the_file_says_so(bench: Bench) -> None:
    bench.text += "keep_rolled_back: true\n"
    place, other = bench.add("one"), bench.add("two")
    first = release(bench, "first")
    second = release(bench, "second")
    version = place.records[-1]["past"]["version"]
    alone = bench.run()
    alone.targets = alone.targets[:1]
    assert rollback(alone) == 0
    assert deploy(bench.run()) == 0
    assert (place.images["app"], other.images["app"]) == (first["one"], second["two"])
    assert bench.verdicts() == {"one": "left", "two": "unchanged"}
    [made] = [event for event in bench.events if isinstance(event, PlanMade)]
    [own, _] = made.plan.targets
    assert made.changes == 0 and own.notes == (
        f"is left alone: {version} (2023-11-14 22:30 UTC, healthy) was rolled back, and deploy.yml asks for the same images and settings; "
        f"shipit rollback one --to {version} brings it back",
    )
    [end] = [event for event in bench.events if isinstance(event, RunFinished)]
    assert end.summary == "nothing changed, 1 of 2 targets healthy, 1 left as rolled back"
    # Another setting, with the same image.
    bench.text += "env: {MODE: other}\n"
    assert deploy(bench.run()) == 0
    assert place.images["app"] == second["one"] and bench.verdicts()["one"] == "healthy"


def test_a_release_that_failed_and_was_rolled_back_is_not_tried_again_where_the_file_says_so(bench: Bench) -> None:
    bench.text += "keep_rolled_back: true\n"
    place = bench.add("one", on_failure="rollback")
    good = release(bench, "good")
    tags = dict(bench.registry.tags)
    (bench.folder / "hello.txt").write_text("bad")
    place.fails = "judge"
    run = bench.run()
    heal_at_rollback(run, place)
    assert deploy(run) == 1 and finished(bench).is_rolled_back
    assert deploy(bench.run()) == 0
    assert (finished(bench).state, {"one": place.images["app"]}) == ("left", good)
    assert dict(bench.registry.tags) == tags, "latest names what runs"
    mended = release(bench, "mended")
    assert (finished(bench).state, {"one": place.images["app"]}) == ("healthy", mended)


def test_the_end_of_a_run_says_what_was_not_reached_and_the_next_command(bench: Bench) -> None:
    bench.add("base")
    bench.add("top", needs=["base"])
    bench.add("other")
    release(bench, "first")
    bench.add("third", needs=["base"])
    broken_by(bench, "base")
    assert deploy(bench.run()) == 1
    [end] = [event for event in bench.events if isinstance(event, RunFinished)]
    assert {own.target: own.state for own in end.ends} == {
        "base": "failed", "top": "not_reached", "other": "released", "third": "not_reached",
    }  # fmt: skip
    assert set(end.next.split()) == {"shipit", "deploy", "base", "top", "third"}
