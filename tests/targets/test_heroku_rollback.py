"""Returning an app to an earlier release of Heroku's: by command, and when a deploy fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.digest import Digest
from shipit.errors import UsageError
from shipit.events import RunFinished
from shipit.history.journal import Journal
from shipit.past_release import NOTHING_RAN, PastRelease
from shipit.pipeline.choose_release import choose_release
from shipit.pipeline.flow import deploy
from shipit.pipeline.return_to_release import rollback
from shipit.pipeline.run import Run
from shipit.release import Seen, State
from shipit.targets.heroku.observed import HerokuObserved, ProcessFacts, ReleaseFacts
from shipit.targets.heroku.past import judge_return, past_releases, plan_return, return_notes
from shipit.targets.heroku.recalled import HerokuRecalled
from tests.targets.heroku_place import Ended, HerokuPlace, heroku_place

WEB = ", processes: {web: {command: [serve]}}"
CRASHING = WEB.replace("serve", "crash")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[HerokuPlace]:
    with heroku_place(tmp_path / "project") as found:
        yield found


def ended(
    place: HerokuPlace, note: str, call: Callable[[Run], int], *, target: str = WEB, more: str = "", keeps: bool = True
) -> Ended:
    """How a run ends that keeps a journal, or none."""
    run, events = place.run(note, target=target, more=more)
    tell = run.tell
    journal = Journal(place.folder) if keeps else None
    run.journal = journal
    run.tell = lambda envelope: (tell(envelope), journal(envelope) if journal else None)[0]
    try:
        return Ended(call(run), events)
    finally:
        run.close()
        if journal:
            journal.close()


def test_rollback_returns_to_the_release_before_with_its_config_vars(place: HerokuPlace) -> None:
    place.variables["TOKEN"] = "token-of-then"
    secrets = "secrets: {TOKEN: {env: TOKEN}}\nenv: {MODE: one}"
    assert ended(place, "one", deploy, more=secrets).code == 0
    first = place.app.images()
    place.variables["TOKEN"] = "token-of-now"
    assert ended(place, "two", deploy, more=secrets.replace("one", "two")).code == 0
    pushes = len(place.heroku.registry.log)
    done = ended(place, "two", rollback, more=secrets.replace("one", "two"))
    assert done.code == 0, done.finished
    assert place.app.images() == first and len(place.heroku.registry.log) == pushes
    assert (place.app.config["TOKEN"], place.app.config["MODE"]) == ("token-of-then", "one")
    assert "roll back to v3" in done.plan and "the number and size of dynos stay" in done.plan
    assert not any("token-of" in repr(event) for event in done.events)
    assert place.descriptions()[-1] == "Rollback to v3"


def test_after_good_bad_bad_the_good_release_runs(place: HerokuPlace) -> None:
    assert ended(place, "good", deploy).code == 0
    good = place.app.images()
    assert ended(place, "bad", deploy, target=CRASHING).code == 1
    worse = ended(place, "worse", deploy, target=f"{CRASHING}, on_failure: rollback")
    assert worse.code == 1
    assert "; rolled back to the last healthy release (v5: web 1 up): v2 (run " in worse.finished.reason
    assert (worse.finished.is_rolled_back, worse.finished.rolled_back_to) == (True, "v2")
    assert place.app.images() == good


def test_a_release_that_was_verified_before_its_after_hook_failed_is_returned_to(place: HerokuPlace) -> None:
    assert ended(place, "one", deploy).code == 0
    hooked = ended(place, "two", deploy, target=f"{WEB}, hooks: {{after: exit 1}}")
    assert (hooked.code, hooked.finished.version, hooked.finished.release_state) == (1, "v3", "healthy")
    assert [(end.state, end.version) for end in hooked.end.ends] == [("failed", "v3")]
    two = place.app.images()
    assert ended(place, "three", deploy).code == 0
    done = ended(place, "three", rollback)
    assert done.code == 0 and place.app.images() == two
    assert "no verdict" not in done.plan and "returns to v3 (run " in done.plan


def test_a_rollback_whose_after_hook_failed_is_not_completed_again(place: HerokuPlace) -> None:
    images = []
    for note in ("one", "two", "three"):
        assert ended(place, note, deploy).code == 0
        images.append(place.app.images())
    hooked = ended(place, "three", rollback, target=f"{WEB}, hooks: {{after: exit 1}}")
    assert (hooked.code, hooked.finished.version, hooked.finished.release_state) == (1, "v5", "healthy")
    assert place.app.images() == images[1] and not hooked.end.next
    assert ended(place, "three", rollback).code == 0
    assert place.app.images() == images[0]


def test_without_a_journal_a_release_that_crashes_is_not_returned_to(place: HerokuPlace) -> None:
    assert ended(place, "good", deploy, keeps=False).code == 0
    good = place.app.images()
    assert ended(place, "bad", deploy, target=CRASHING, keeps=False).code == 1
    worse = ended(place, "worse", deploy, target=f"{CRASHING}, on_failure: rollback", keeps=False)
    assert (worse.finished.is_rolled_back, worse.finished.rolled_back_to) == (True, "v2"), worse.finished
    assert place.app.images() == good


def test_config_vars_that_were_set_by_hand_just_before_a_deploy_that_fails_stay(place: HerokuPlace) -> None:
    """The next release looks as if they were a part of it: Heroku has no ids of runs."""
    assert ended(place, "good", deploy, keeps=False).code == 0
    good = place.app.images()
    place.heroku.releases.config(place.app, {"BY_HAND": "abc"})
    failed = ended(place, "bad", deploy, target=f"{CRASHING}, on_failure: rollback", keeps=False)
    assert (failed.code, failed.finished.rolled_back_to) == (1, "v3"), failed.finished
    assert place.app.images() == good and place.app.config["BY_HAND"] == "abc"


def test_a_deploy_of_config_vars_that_was_healthy_is_returned_to(place: HerokuPlace) -> None:
    for mode in ("one", "two"):
        assert ended(place, "good", deploy, more=f"env: {{MODE: {mode}}}").code == 0
    changed = ended(place, "good", deploy, more="env: {MODE: three}")
    assert changed.code == 0
    assert ended(place, "bad", deploy, target=CRASHING, more="env: {MODE: three}").code == 1
    assert ended(place, "good", rollback, more="env: {MODE: three}").code == 0
    assert place.app.config["MODE"] == "three"


def test_rollback_skips_a_release_that_the_journal_knows_as_failed(place: HerokuPlace) -> None:
    assert ended(place, "good", deploy).code == 0
    good = place.app.images()
    for note in ("bad", "worse"):
        assert ended(place, note, deploy, target=CRASHING).code == 1
    assert ended(place, "good", rollback).code == 0
    assert place.app.images() == good
    again = ended(place, "good", lambda run: rollback(run, "v2"))
    assert (again.code, again.finished.state) == (0, "unchanged")


def test_a_release_without_a_verdict_is_taken_and_the_plan_says_so(place: HerokuPlace) -> None:
    assert place.deploy("one", target=WEB).code == 0
    assert place.deploy("two", target=WEB).code == 0
    done = ended(place, "two", rollback)
    assert done.code == 0
    assert "v2 has no verdict, at the place or on this machine: it may not have been healthy" in done.plan


def test_a_release_that_heroku_has_deleted_is_an_error_before_anything_changes(place: HerokuPlace) -> None:
    assert place.deploy("one", target=WEB).code == 0
    assert place.deploy("two", target=WEB).code == 0
    place.app.releases[1]["status"] = "expired"
    before = len(place.writes)
    with pytest.raises(UsageError, match="can't return to v2: Heroku has deleted its images"):
        ended(place, "two", lambda run: rollback(run, "v2"))
    with pytest.raises(UsageError, match="the image shop of web has no other registry: give it a repository"):
        ended(place, "two", rollback)
    assert len(place.writes) == before


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00.5+02:00", "2026-01-31T10:00:00Z"),
        ("0001-01-01T00:00:00+02:00", ""),
        ("yesterday\x1b[31m", ""),
        ("", ""),
    ],
)
def test_the_time_of_a_release_is_in_utc_or_not_known(written: str, time: str) -> None:
    [found] = past_releases([ReleaseFacts("a", 1, "succeeded", "Initial release", created_at=written)])
    assert found.released_at == time


def test_the_releases_of_an_app_are_its_history() -> None:
    first = "2026-01-31T12:00:00Z"
    rows = (
        ReleaseFacts("f", 6, "pending", "Deployed web (cccccccccccc)", created_at=first),
        ReleaseFacts("e", 5, "succeeded", "Rollback to v3", user="ada@x", created_at=first),
        ReleaseFacts("d", 4, "failed", "Deployed web (bbbbbbbbbbbb)", created_at=first),
        ReleaseFacts("c", 3, "succeeded", "Deployed web (aaaaaaaaaaaa)", user="ada@x", created_at="2026-01-31T11:00:09Z"),
        ReleaseFacts("b", 2, "succeeded", "Set MODE config vars", user="ada@x", created_at="2026-01-31T11:00:07Z"),
        ReleaseFacts("a", 1, "succeeded", "Initial release", is_eligible=False),
    )  # fmt: skip
    found = past_releases(rows)
    assert [(past.version, past.state, past.is_current, past.returns_to, bool(past.gone)) for past in found] == [
        ("v6", "begun", False, "", False),
        ("v5", "unknown", True, "v3", False),
        ("v4", "failed", False, "", False),
        ("v3", "unknown", False, "", False),
        ("v2", "begun", False, "", True),
        ("v1", "unknown", False, "", True),
    ]
    assert [past.version for past in found if past.gone == NOTHING_RAN] == ["v2", "v1"]
    assert not any(past.gone for past in past_releases(rows[:-1])), "what v1 was is not known"
    assert found[1] == PastRelease(
        "v5", released_at=first, by="ada@x", changes=("Rollback to v3",), is_current=True, returns_to="v3"
    )


def test_nothing_ran_before_the_first_image_that_was_released() -> None:
    rows = (
        ReleaseFacts("d", 4, "succeeded", "Deployed web (bbbbbbbbbbbb)", created_at="2026-01-31T13:00:00Z"),
        ReleaseFacts("c", 3, "succeeded", "Set TOKEN config vars", created_at="2026-01-31T12:30:00Z"),
        ReleaseFacts("b", 2, "failed", "Deployed web (aaaaaaaaaaaa)", created_at="2026-01-31T12:00:00Z"),
        ReleaseFacts("a", 1, "succeeded", "Initial release"),
    )
    assert [past.version for past in past_releases(rows) if past.gone == NOTHING_RAN] == ["v3", "v2", "v1"]
    with pytest.raises(UsageError, match="there is nothing to roll back to"):
        choose_release("heroku", past_releases(rows), takes_gone=True)


def observed(image: str, **marks: str) -> HerokuObserved:
    web = ProcessFacts(1, "Basic", Digest(f"sha256:{image * 64}"))
    names = frozenset(marks) - {"THEIRS"}
    return HerokuObserved("shop", "container", "cedar", False, "", {"web": web}, marks, (), (), "id", names)


@pytest.mark.parametrize(
    ("now", "steps"),
    [
        (observed("a", MODE="1"), []),
        (observed("b", MODE="1"), ["roll back to v3"]),
        (observed("a", MODE="2"), ["restore MODE"]),
        (observed("b", MODE="2", MORE="3"), ["roll back to v3", "restore MODE, MORE"]),
        (observed("a", MODE="1", THEIRS="9"), []),
    ],
)
def test_a_return_changes_what_differs(now: HerokuObserved, steps: list[str]) -> None:
    recalled = HerokuRecalled(3, "c", {"web": "a" * 12}, {"MODE": "1"}, frozenset({"MODE"}))
    assert [step.summary for step in plan_return(recalled, now)] == steps
    notes = return_notes(recalled, now)
    assert ("THEIRS" in " ".join(notes)) == ("THEIRS" in now.config_marks)
    verdict = judge_return(recalled, now, Seen(0, 0, 0), pending_s=30)
    assert (verdict.state is State.FAILED) == bool(steps), verdict


def test_the_plan_says_that_it_would_bring_back_what_was_rolled_back(place: HerokuPlace) -> None:
    assert ended(place, "one", deploy).code == 0
    assert ended(place, "two", deploy).code == 0
    assert ended(place, "two", rollback).code == 0
    again = ended(place, "two", deploy)
    assert again.code == 0 and "this would bring back v3 (run " in again.plan, again.plan


def test_the_end_of_a_run_says_that_an_app_is_down_and_which_command_returns_to_the_last_release(
    place: HerokuPlace,
) -> None:
    assert ended(place, "good", deploy).code == 0
    bad = ended(place, "bad", deploy, target=CRASHING)
    [end] = [event for event in bad.events if isinstance(event, RunFinished)]
    assert [(own.state, own.version) for own in end.ends] == [("down", "v3")]
    assert end.next == "shipit rollback heroku"
