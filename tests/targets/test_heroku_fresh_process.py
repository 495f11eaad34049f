"""Steps applied from their JSON in a fresh process: deploys, rollbacks, and what undoes a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.delivery.publish_stage import publish_all
from shipit.errors import DeployFailed
from shipit.pipeline.prepare import observe_target, prepare
from shipit.pipeline.run import Run
from shipit.record import from_json, to_json
from shipit.release import Release, Step
from shipit.targets.base import reverts
from shipit.targets.heroku.observed import HerokuObserved
from shipit.targets.heroku.steps import RestoreConfig, RollBack
from shipit.testing.fresh_process import Outcome, apply_in_fresh_process
from tests.targets.heroku_place import HerokuPlace, heroku_place

FIRST, SECOND = "canary-first-4711", "canary-second-4712"
SECRET = "secrets: {TOKEN: {env: TOKEN}}"
OLD = f"release: [migrate, old]\nenv: {{MODE: old-mode-value, GONE: gone-value}}\n{SECRET}"
NEW = f"release: [migrate, new]\nenv: {{MODE: new-mode-value}}\n{SECRET}"


@pytest.fixture(params=[True, False], ids=["rollback-restores-config", "rollback-keeps-config"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[HerokuPlace]:
    with heroku_place(tmp_path / "project", rolls_config_back=request.param) as made:
        made.variables["TOKEN"] = FIRST
        assert made.deploy("one", more=OLD).code == 0
        yield made


def observe(run: Run) -> HerokuObserved:
    found = observe_target(run, run.targets[0])
    assert isinstance(found, HerokuObserved)
    return found


def rollback(run: Run, release: Release, before: HerokuObserved) -> tuple[Step, ...]:
    target = run.targets[0]
    assert reverts(target)
    return target.plan_rollback(release, before, observe(run), {})


def apply(place: HerokuPlace, steps: tuple[Step, ...], release: Release) -> Outcome:
    return apply_in_fresh_process(place.folder, place.environment.variables, "heroku", steps, release)


def test_a_rollback_planned_here_restores_every_config_var_in_a_fresh_process(place: HerokuPlace) -> None:
    before, config = observe(place.run("one", more=OLD)[0]), dict(place.app.config)
    place.variables["TOKEN"] = SECOND
    run, _ = place.run("two", more=NEW)
    release = prepare(run).releases["heroku"]
    assert place.deploy("two", more=NEW).code == 0
    assert "GONE" not in place.app.config and place.app.config["TOKEN"] == SECOND
    steps = rollback(place.run("two", more=NEW)[0], release, before)
    assert [type(step) for step in steps] == [RollBack, RestoreConfig]
    assert steps == tuple(from_json(Step, json.loads(json.dumps(to_json(step)))) for step in steps)
    for value in (FIRST, SECOND, "old-mode-value", "gone-value"):
        assert value not in json.dumps(to_json(steps))
    assert apply(place, steps, release).error == ""
    assert place.app.config == config
    place.variables["TOKEN"] = FIRST
    same = place.deploy("one", more=OLD)
    assert (same.code, same.finished.state) == (0, "unchanged"), same.plan
    releases = len(place.app.releases)
    assert apply(place, steps, release).error == ""
    assert len(place.app.releases) == releases, "a step that is repeated makes no release"


def test_a_value_that_is_not_the_one_of_before_is_not_set(place: HerokuPlace) -> None:
    run, _ = place.run("two", more=NEW)
    before, release = observe(run), prepare(run).releases["heroku"]
    place.heroku.releases.config(place.app, {"MODE": "changed"})
    place.app.release_configs[place.app.releases[before.version - 1]["id"]]["MODE"] = "another"
    [step] = rollback(place.run("two", more=NEW)[0], release, before)
    writes = list(place.writes)
    expected = (
        f"heroku: Heroku's value of MODE at v{before.version} is not the value that was observed before the deploy"
    )
    assert apply(place, (step,), release).error.splitlines()[0] == expected
    assert place.writes == writes


def test_a_deploy_planned_here_is_applied_in_fresh_processes_step_by_step(place: HerokuPlace) -> None:
    run, _ = place.run("two", more=NEW)
    preparation = prepare(run)
    publish_all(run.delivery, preparation.uses.values())
    release, steps = preparation.releases["heroku"], preparation.plan.targets[0].steps
    assert [step.type for step in steps] == [
        "heroku.remove_process", "heroku.set_config", "heroku.release_images",
    ]  # fmt: skip
    assert FIRST not in json.dumps(to_json(steps))
    for step in steps:
        assert apply(place, (step,), release).error == ""
    done = place.deploy("two", more=NEW)
    assert (done.code, done.finished.state) == (0, "unchanged"), done.plan
    assert [phase.command for phase in place.runner.phases] == [("migrate", "old"), ("migrate", "new")]


def test_a_release_command_that_fails_in_a_fresh_process_is_undone_there(place: HerokuPlace) -> None:
    config = dict(place.app.config)
    run, _ = place.run("two", more=NEW)
    preparation = prepare(run)
    publish_all(run.delivery, preparation.uses.values())
    release, steps = preparation.releases["heroku"], preparation.plan.targets[0].steps
    assert apply(place, steps[:-1], release).error == ""
    place.runner.codes = [1, 0]
    error = apply(place, steps[-1:], release).error
    assert "; so this was done: roll back to v3, restore GONE, MODE, SHIPIT_VARIABLES" in error
    assert "as many dynos are up as before" in error
    assert place.app.config == config
    same = place.deploy("one", more=OLD)
    assert (same.code, same.finished.state) == (0, "unchanged"), same.plan


def test_a_secret_that_changed_since_the_plan_is_not_set(place: HerokuPlace) -> None:
    place.variables["TOKEN"] = SECOND
    run, _ = place.run("one", more=OLD)
    preparation = prepare(run)
    release, steps = preparation.releases["heroku"], preparation.plan.targets[0].steps
    place.variables["TOKEN"] = "canary-third-4713"
    assert "TOKEN has another value than when the plan was made" in apply(place, steps, release).error
    assert place.app.config["TOKEN"] == FIRST


def test_what_was_observed_goes_to_json_and_comes_back_without_values(place: HerokuPlace) -> None:
    place.app.config["FOREIGN"] = "foreign-value"
    observed = observe(place.run("one", more=OLD)[0])
    text = json.dumps(to_json(observed))
    assert from_json(HerokuObserved, json.loads(text)) == observed
    assert observed.owned == {"MODE", "GONE", "TOKEN"}
    assert set(observed.config_marks) == {"MODE", "GONE", "TOKEN", "FOREIGN", "SHIPIT_VARIABLES"}
    for value in place.app.config.values():
        assert value not in text


def test_a_step_of_another_kind_is_refused(place: HerokuPlace) -> None:
    run, _ = place.run("one", more=OLD)
    with pytest.raises(DeployFailed, match="which Heroku does not have"):
        list(run.targets[0].apply(Step("x", "x"), run.session(run.targets[0])))
