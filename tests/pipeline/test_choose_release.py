"""Which release a rollback returns to."""

from __future__ import annotations

import pytest

from shipit.errors import UsageError
from shipit.past_release import NOTHING_RAN, PastRelease
from shipit.pipeline.choose_release import choose_release


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
