"""Config vars and process types: changed together with images, removed, and changed by somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.errors import ConfigError
from tests.servers.dynos import Phase
from tests.targets.heroku_place import HerokuPlace, heroku_place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[HerokuPlace]:
    with heroku_place(tmp_path / "project") as made:
        yield made


@pytest.fixture(params=[False, True], ids=["formation-runs", "formation-asked"])
def either(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[HerokuPlace]:
    with heroku_place(tmp_path / "project", shows_requested_images=request.param) as made:
        yield made


OLD, NEW = "release: [migrate, old]\nenv: {MODE: old}", "release: [migrate, new]\nenv: {MODE: new, MORE: x}"
OWNED_OLD, OWNED_NEW = "MODE", "MODE,MORE"


def test_the_new_command_runs_once_in_the_new_image_on_the_new_variables(either: HerokuPlace) -> None:
    assert either.deploy("one", more=OLD).code == 0
    done = either.deploy("two", more=NEW)
    assert done.code == 0, done.finished
    assert either.runner.phases == [
        Phase(("migrate", "old"), {"MODE": "old", "SHIPIT_VARIABLES": OWNED_OLD}),
        Phase(("migrate", "new"), {"MODE": "new", "MORE": "x", "SHIPIT_VARIABLES": OWNED_NEW}),
    ]
    assert either.descriptions() == [
        "Initial release", "Set MODE, SHIPIT_VARIABLES config vars", "Deployed release",
        "Removed release", "Set MODE, MORE, SHIPIT_VARIABLES config vars", "Deployed release",
    ]  # fmt: skip
    assert "release 1 of 3, without a release command" in done.plan
    assert "release 2 of 3, without a release command" in done.plan
    assert "release 3 of 3, runs the release command in " in done.plan


def test_what_was_changed_is_put_back_when_the_command_fails(either: HerokuPlace) -> None:
    assert either.deploy("one", more=OLD).code == 0
    either.runner.codes = [1, 0]
    failed = either.deploy("two", more=NEW)
    assert failed.code == 1
    assert failed.finished.reason.startswith("release v6 failed; so this was done: roll back to v3")
    assert failed.finished.hint == "fix the release command and deploy again; as many dynos are up as before"
    assert either.app.config == {"MODE": "old", "SHIPIT_VARIABLES": "MODE"}
    assert either.runner.phases[-1].command == ("migrate", "old"), "the release command of before is in force again"
    assert {dyno.state for dyno in either.app.dynos} == {"up"}
    same = either.deploy("one", more=OLD)
    assert (same.code, same.finished.state) == (0, "unchanged"), same.plan
    again = either.deploy("two", more=NEW)
    assert again.code == 0, again.finished


def test_a_rollback_that_brings_no_variables_back_is_completed(tmp_path: Path) -> None:
    with heroku_place(tmp_path / "project", rolls_config_back=False) as place:
        assert place.deploy("one", more=OLD).code == 0
        place.runner.codes = [1, 0]
        assert place.deploy("two", more=NEW).code == 1
        assert place.app.config == {"MODE": "old", "SHIPIT_VARIABLES": "MODE"}


def test_variables_of_a_first_deploy_whose_command_fails_are_taken_out(either: HerokuPlace) -> None:
    either.runner.codes = [1, 0]
    failed = either.deploy("one", more=OLD)
    assert (failed.code, either.app.config) == (1, {}), failed.finished
    assert "as before" not in f"{failed.finished}", "nothing ran before"
    assert either.deploy("one", more=OLD).code == 0


def test_a_variable_alone_runs_the_command_of_the_image_that_runs(place: HerokuPlace) -> None:
    assert place.deploy("one", more=OLD).code == 0
    changed = place.deploy("one", more=OLD.replace("MODE: old", "MODE: new"))
    assert changed.code == 0
    assert place.runner.phases[-1] == Phase(("migrate", "old"), {"MODE": "new", "SHIPIT_VARIABLES": "MODE"})
    assert "runs the release command in " in changed.plan
    place.runner.codes = [1, 0]
    failed = place.deploy("one", more=OLD.replace("MODE: old", "MODE: newer"))
    assert failed.code == 1
    assert place.app.config["MODE"] == "new", failed.finished


PROCESSES = ", processes: {web: {}, worker: {command: [work], quantity: 1}}"


def test_what_left_the_file_leaves_the_app(place: HerokuPlace) -> None:
    more = "release: [migrate]\nenv: {MODE: a, GONE: b}\nsecrets: {TOKEN: {env: TOKEN}}"
    place.variables["TOKEN"] = "canary-4711"
    assert place.deploy("one", more=more, target=PROCESSES).code == 0
    place.app.config["FOREIGN"] = "x"
    done = place.deploy("one", more="env: {MODE: a}")
    assert done.code == 0, done.finished
    assert place.app.config == {"MODE": "a", "FOREIGN": "x", "SHIPIT_VARIABLES": "MODE"}
    assert set(place.app.formation) == {"web"}
    assert len(place.runner.phases) == 1, "the release command that left is taken out first, and does not run again"
    assert [line.strip() for line in done.plan.splitlines() if line.startswith("  - ")] == [
        "- remove release", "- remove GONE, TOKEN", "- remove worker",
    ]  # fmt: skip
    assert "canary" not in done.plan
    same = place.deploy("one", more="env: {MODE: a}")
    assert (same.code, same.finished.state) == (0, "unchanged"), same.plan


def test_the_value_of_a_secret_that_left_the_file_is_masked(place: HerokuPlace) -> None:
    place.variables["TOKEN"] = "canary-4711"
    assert place.deploy("one", more="env: {MODE: mode-value}\nsecrets: {TOKEN: {env: TOKEN}}").code == 0
    place.app.config["FOREIGN"] = "foreign-value"
    del place.variables["TOKEN"]
    run, _ = place.run("one", more="env: {MODE: mode-value}")
    with run:
        run.targets[0].observe(run.session(run.targets[0]))
        said = "canary-4711, mode-value, foreign-value"
        assert run.redactor.text(said) == "[redacted], mode-value, foreign-value"


def test_prune_false_keeps_and_lists(place: HerokuPlace) -> None:
    assert place.deploy("one", more="release: [migrate]\nenv: {MODE: a, GONE: b}", target=PROCESSES).code == 0
    kept = place.deploy("one", more="env: {MODE: a}", target=", prune: false")
    assert (kept.code, kept.finished.state) == (0, "unchanged"), kept.plan
    assert [line.strip() for line in kept.plan.splitlines() if line.startswith("  . ")] == [
        f". {name} is no longer in deploy.yml, and stays: prune is false" for name in ("release", "worker", "GONE")
    ]
    assert set(place.app.formation) == {"web", "worker", "release"} and place.app.config["GONE"] == "b"
    assert place.deploy("one", more="env: {MODE: a}").code == 0
    assert set(place.app.formation) == {"web"} and "GONE" not in place.app.config, "what was kept is still ours"


def test_what_shipit_did_not_make_stays(place: HerokuPlace) -> None:
    assert place.deploy("one", more="env: {MODE: a}").code == 0
    foreign = "sha256:" + "f" * 64
    place.app.formation["clock"] = {"quantity": 1, "size": "Basic", "image": foreign}
    place.app.config |= {"DATABASE_URL": "postgres://", "SHIPIT_VARIABLES": "MODE,NEVER_SET"}
    before = len(place.heroku.registry.log)
    done = place.deploy("two", more="env: {MODE: a}")
    assert done.code == 0
    looks = [path for _, path in place.heroku.registry.log[before:] if "/clock/manifests/" in path]
    assert len(looks) == 1, "who pushed an image is looked up for the plan, and not again for the verdict"
    assert "  . clock is not in deploy.yml, and stays: its image was not pushed by shipit" in done.plan
    assert "clock" in place.app.formation and place.app.config["DATABASE_URL"] == "postgres://"


def test_a_variable_of_the_same_value_is_not_ours(place: HerokuPlace) -> None:
    place.app.config["MODE"] = "a"
    assert place.deploy("one", more="env: {MODE: a}").code == 0
    assert place.deploy("one").code == 0
    assert place.app.config == {"MODE": "a"}


def test_a_removal_that_makes_no_release(tmp_path: Path) -> None:
    with heroku_place(tmp_path / "project", removal_releases=False) as place:
        assert place.deploy("one", more="release: [migrate]", target=PROCESSES).code == 0
        done = place.deploy("two", more="release: [migrate]\nenv: {A: b}")
        assert done.code == 0, done.finished
        assert set(place.app.formation) == {"web", "release"}


@pytest.mark.parametrize("part", ["env: {SHIPIT_VARIABLES: x}", "secrets: {SHIPIT_VARIABLES: {env: X}}"])
def test_the_name_of_our_note_is_refused(place: HerokuPlace, part: str) -> None:
    place.variables["X"] = "value"
    with pytest.raises(ConfigError, match="is the name that shipit keeps"):
        place.deploy("one", more=part)


@pytest.mark.parametrize("names_images", [True, False], ids=["digests", "ids-of-heroku"])
def test_images_are_known_from_releases_where_the_formation_names_none(tmp_path: Path, names_images: bool) -> None:
    with heroku_place(tmp_path / "project", names_images=names_images) as place:
        target = f"{PROCESSES}, on_failure: rollback"
        assert place.deploy("one", more="release: [migrate]", target=target).code == 0
        same = place.deploy("one", more="release: [migrate]", target=target)
        assert (same.code, same.finished.state) == (0, "unchanged"), same.plan
        crashed = place.deploy("two", more="release: [migrate]", target=target.replace("[work]", "[crash]"))
        assert crashed.code == 1
        back = "worker.1 crashed at v3; rolled back to what ran before (v4: web 1 up, worker 1 up): v2 ("
        assert crashed.finished.reason.startswith(back)
        assert place.deploy("one", more="release: [migrate]", target=target).finished.state == "unchanged"


def test_an_unknown_image_is_a_failure(tmp_path: Path) -> None:
    with heroku_place(tmp_path / "project", names_images=False) as place:
        assert place.deploy("one").code == 0
        for row in place.app.releases:
            row["description"] = "Something else"
        done = place.deploy("one")
        assert done.code == 1
        assert done.finished.reason.startswith(
            "neither Heroku's formation nor its releases tell which image web runs"
        ), done.finished


def test_variables_of_the_target_are_above_those_of_the_file(place: HerokuPlace) -> None:
    own, both = ", env: {WORKERS: 4, MODE: heroku}", "env: {MODE: all, LEVEL: info}"
    done = place.deploy("one", target=own, more=both)
    assert done.code == 0, done.finished
    owned = "LEVEL,MODE,WORKERS"
    assert place.app.config == {"LEVEL": "info", "MODE": "heroku", "WORKERS": "4", "SHIPIT_VARIABLES": owned}
    assert "MODE=heroku" in done.plan and "WORKERS=4" in done.plan
    assert place.deploy("one", target=own, more=both).finished.state == "unchanged"
    less = place.deploy("one", target=", env: {MODE: , WORKERS: 4}", more=both)
    assert less.code == 0, less.finished
    assert place.app.config == {"LEVEL": "info", "WORKERS": "4", "SHIPIT_VARIABLES": "LEVEL,WORKERS"}
    left = place.deploy("one", more=both)
    assert left.code == 0, left.finished
    assert place.app.config == {"LEVEL": "info", "MODE": "all", "SHIPIT_VARIABLES": "LEVEL,MODE"}
