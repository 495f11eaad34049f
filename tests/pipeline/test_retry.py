"""The targets that `shipit deploy --retry` deploys again."""

from __future__ import annotations

import pytest

from shipit.errors import UsageError
from shipit.past_run import PastRun, PastTarget, RunState
from shipit.pipeline.retry import Retry, other_commits, targets_to_retry

KNOWN = ("hub", "heroku", "k8s")


def past(command: str = "deploy", state: RunState = "failed", commit: str = "", **targets: str) -> PastRun:
    """A run, with the state of each target."""
    ends = tuple(PastTarget(name, state=own) for name, own in targets.items())
    return PastRun("run", command, "shop", "production", "", state, commit=commit, targets=ends)


@pytest.mark.parametrize(
    ("runs", "left"),
    [
        ([past(hub="healthy", heroku="failed", k8s="skipped")], ("heroku", "k8s")),
        ([past(k8s="failed", heroku="failed")], ("heroku", "k8s")),
        ([past(state="lost", hub="healthy", k8s="")], ("k8s",)),
        ([past(k8s="healthy", heroku="failed"), past(k8s="failed", heroku="skipped")], ("heroku",)),
        ([past(hub="healthy"), past(hub="healthy", k8s="failed")], ("k8s",)),
        ([past(k8s="failed", gone="failed")], ("k8s",)),
        ([past("scale", k8s="failed"), past(k8s="healthy", hub="failed")], ("hub",)),
        ([past("rollback", k8s="healthy"), past(k8s="failed", hub="failed")], ("hub",)),
        ([past("promote", k8s="failed"), past(k8s="failed", hub="failed")], ("hub",)),
        ([past(state="running", k8s=""), past(k8s="failed")], ("k8s",)),
    ],
)
def test_what_the_last_deploy_of_each_target_left(runs: list[PastRun], left: tuple[str, ...]) -> None:
    assert targets_to_retry(runs, KNOWN).targets == left


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ([], "this machine has no deploy of it"),
        ([past("scale", k8s="failed")], "this machine has no deploy of it"),
        ([past(k8s="healthy", hub="unchanged")], "no deploy left a target unfinished"),
        ([past("promote", k8s="failed")], "no deploy left a target unfinished"),
    ],
)
def test_nothing_to_retry(runs: list[PastRun], why: str) -> None:
    with pytest.raises(UsageError, match=f"there is nothing to retry: {why}"):
        targets_to_retry(runs, KNOWN)


def test_runs_of_the_same_second_are_in_the_order_of_their_times() -> None:
    first, second = past(k8s="failed"), past(k8s="healthy")
    runs = [
        first._replace(started_at="2026-01-31T12:00:00.100Z"),
        second._replace(started_at="2026-01-31T12:00:00.900Z"),
    ]
    with pytest.raises(UsageError):
        targets_to_retry(runs, KNOWN)


def test_another_commit_is_told() -> None:
    retry = targets_to_retry([past(commit="c0ffee1234", k8s="failed"), past(commit="decade1234", hub="failed")], KNOWN)
    assert retry == Retry(("hub", "k8s"), ("decade1234", "c0ffee1234"))
    assert other_commits(retry._replace(commits=("c0ffee1234",)), "c0ffee1234") == ""
    assert "a deploy of commit decade1 with commit c0ffee1" in other_commits(retry, "c0ffee1234")
    assert other_commits(retry._replace(commits=("",)), "c0ffee1234") == ""
