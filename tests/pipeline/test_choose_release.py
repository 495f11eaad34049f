"""Which release a rollback returns to."""

from __future__ import annotations

import pytest

from shipit.errors import UsageError
from shipit.past_release import NOTHING_RAN, PastRelease
from shipit.pipeline.choose_release import choose_release, find_release


def history(*states: str) -> list[PastRelease]:
    """The releases `v1`, `v2` and so on, of which the last one runs; newest first. `lost healthy` is one that is gone."""
    found = [
        PastRelease(f"v{at}", state.rpartition(" ")[2], gone="too old" if "lost" in state else "")  # type: ignore[arg-type]
        for at, state in enumerate(states, 1)
    ]
    found[-1] = found[-1]._replace(is_current=True)
    return found[::-1]


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        (("healthy", "healthy", "healthy"), "v2"),
        (("healthy", "healthy", "unknown", "unknown"), "v2"),
        (("healthy", "failed", "failed"), "v1"),
        (("unknown", "failed", "unknown", "healthy"), "v3"),
        (("unknown", "unknown", "failed"), "v2"),
        (("healthy", "lost healthy", "healthy"), "v1"),
        (("lost healthy", "unknown", "healthy"), "v2"),
        (("lost unknown", "lost healthy", "failed", "healthy"), "v2"),
    ],
)
def test_the_newest_healthy_release_comes_before_those_without_a_verdict(states: tuple[str, ...], chosen: str) -> None:
    assert choose_release("heroku", history(*states), takes_gone=True).past.version == chosen


def test_the_plan_names_a_newer_release_without_a_verdict() -> None:
    assert choose_release("heroku", history("healthy", "unknown", "failed", "unknown")).notes == (
        "returns to v1 (healthy)",
        "v2 is newer and has no verdict: shipit rollback --to v2 returns to it",
    )
    assert choose_release("heroku", history("healthy", "unknown", "failed"), "v1").notes == ("returns to v1 (healthy)",)


def test_a_release_in_which_nothing_ran_is_not_returned_to() -> None:
    running, empty = history("unknown", "healthy")
    empty = empty._replace(gone=NOTHING_RAN)
    with pytest.raises(UsageError) as found:
        choose_release("heroku", (running, empty))
    assert found.value.what == "there is nothing to roll back to: heroku has no earlier healthy release"
    with pytest.raises(UsageError) as found:
        choose_release("heroku", (running, empty), takes_gone=True)
    assert found.value.hint == "its newest release is v2; shipit history lists them"


def test_after_a_return_to_a_release_that_is_not_known_any_more_nothing_is_chosen() -> None:
    newest, *others = history("healthy", "healthy", "healthy")
    returned = newest._replace(returns_to="v0")
    with pytest.raises(UsageError, match="v3 returned to v0, which is not in the history of hub any more") as found:
        choose_release("hub", [returned, *others])
    assert found.value.hint.startswith("say --to RELEASE; its newest releases are v3, v2, v1")
    assert choose_release("hub", [returned, *others], "v2").past.version == "v2"


def test_of_a_run_that_went_back_after_a_failure_its_own_release_is_meant() -> None:
    newest, failed, good = history("healthy", "failed", "healthy")
    found = [newest._replace(run="0123456789ab", returns_to="v1"), failed._replace(run="0123456789ab"), good]
    assert find_release("heroku", found, "0123456789ab").version == "v2"
    assert find_release("heroku", found, "v3").version == "v3"
    rollback = [newest._replace(run="ba9876543210", returns_to="v1", command="rollback"), failed, good]
    assert find_release("heroku", rollback, "ba98").version == "v3"


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ({"state": "healthy"}, "v2 was healthy after the last rollback to it"),
        ({"state": "failed", "command": "rollback", "reason": "web crashed"}, "v2 was not healthy: failed"),
        ({"state": "failed", "command": "deploy"}, "v2 was not healthy: failed"),
        ({"state": "begun"}, "v2 was not healthy: failed"),
    ],
)
def test_a_release_that_failed_is_told_with_the_verdict_of_the_last_return_to_it(
    later: dict[str, str], said: str
) -> None:
    newest, failed, good = history("healthy", "failed", "healthy")
    found = [newest._replace(returns_to="v2", **later), failed, good]  # type: ignore[arg-type]
    assert choose_release("heroku", found, "v2").notes == ("returns to v2 (failed)", said)
