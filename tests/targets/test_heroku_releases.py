"""Releases that fail, that somebody else made, and that are repeated: the messages, and what Heroku does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.targets.heroku_place import HerokuPlace, heroku_place

MIGRATE = "release: [migrate]"


@pytest.fixture(params=[False, True], ids=["formation-runs", "formation-asked"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[HerokuPlace]:
    """Whether a formation shows what runs or what was asked for last is not documented."""
    with heroku_place(tmp_path / "project", shows_requested_images=request.param) as made:
        yield made


def test_after_a_failed_release_what_ran_before_is_still_up_to_date(place: HerokuPlace) -> None:
    assert place.deploy("one", more=MIGRATE).code == 0
    place.runner.codes = [1]
    failed = place.deploy("two", more=MIGRATE)
    assert (failed.code, failed.finished.reason) == (1, "release v3 failed")
    assert failed.finished.hint == "fix the release command and deploy again; as many dynos are up as before"
    writes = list(place.writes)
    again = place.deploy("one", more=MIGRATE)
    assert (again.code, again.finished.state) == (0, "unchanged"), again.finished
    assert place.writes == writes


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_the_same_deploy_again_releases_again(place: HerokuPlace, failures: int) -> None:
    place.runner.codes = [0, *[1] * failures, 0]
    assert place.deploy("one", more=MIGRATE).code == 0
    for number in range(failures):
        failed = place.deploy("two", more=MIGRATE)
        assert (failed.code, failed.finished.reason) == (1, f"release v{number + 3} failed"), failed.finished
        assert "someone" not in str(failed.events)
    done = place.deploy("two", more=MIGRATE)
    assert (done.code, done.finished.state) == (0, "healthy"), done.finished
    assert place.statuses() == ["succeeded"] * 2 + ["failed"] * failures + ["succeeded"]
    assert len(place.runner.phases) == failures + 2
    writes = list(place.writes)
    same = place.deploy("two", more=MIGRATE)
    assert (same.code, same.finished.state) == (0, "unchanged"), same.plan
    assert place.writes == writes
    place.runner.codes = [0]
    assert place.deploy("three", more=MIGRATE).code == 0
    assert place.deploy("two", more=MIGRATE).code == 0, "an image of before, under the id that ran"
    assert "failed" not in place.statuses()[-2:]


def test_a_first_release_that_failed_is_released_again(place: HerokuPlace) -> None:
    place.runner.codes = [1, 0]
    failed = place.deploy("one", more=MIGRATE)
    assert (failed.code, failed.finished.hint) == (1, "fix the release command and deploy again")
    done = place.deploy("one", more=MIGRATE)
    assert done.code == 0, done.finished
    assert place.deploy("one", more=MIGRATE).finished.state == "unchanged"


@pytest.mark.parametrize("description", ["Set FOO config vars", "Attach DATABASE (@ref:postgres-1)", "Enable feature"])
@pytest.mark.parametrize("status", ["failed", "expired"])
def test_somebody_elses_release_blocks_nothing(place: HerokuPlace, description: str, status: str) -> None:
    assert place.deploy("one", more=MIGRATE).code == 0
    place.app.add_release(description, status)
    same = place.deploy("one", more=MIGRATE)
    assert (same.code, same.finished.state, same.finished.version) == (0, "unchanged", "v2"), same.finished
    changed = place.deploy("two", more=MIGRATE)
    assert (changed.code, changed.finished.state) == (0, "healthy"), changed.finished


def test_a_variable_whose_release_failed_is_released_again(place: HerokuPlace) -> None:
    place.deploy("one", more=f"{MIGRATE}\nenv: {{MODE: a}}")
    # Somebody sets our variable to what deploy.yml is about to say, and the release command fails on it.
    place.app.config["MODE"] = "b"
    place.app.add_release("Set MODE config vars", "failed")
    done = place.deploy("one", more=f"{MIGRATE}\nenv: {{MODE: b}}")
    assert (done.code, done.finished.state) == (0, "healthy"), done.plan
    assert place.runner.phases[-1].env["MODE"] == "b"
    assert place.deploy("one", more=f"{MIGRATE}\nenv: {{MODE: b}}").finished.state == "unchanged"
