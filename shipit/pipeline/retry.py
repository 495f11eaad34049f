"""The targets that `shipit deploy --retry` deploys again: those that their last deploy left failed, rolled back or not reached. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shipit.errors import UsageError
from shipit.past_run import RELEASING, PastRun

_DONE = ("healthy", "unchanged", "left")
_NOTHING = "there is nothing to retry"


class Retry(NamedTuple):
    """The targets to deploy again, in the order of deploy.yml, and the commits of the deploys that left them."""

    targets: tuple[str, ...]
    commits: tuple[str, ...] = ()


def targets_to_retry(runs: Iterable[PastRun], known: Sequence[str]) -> Retry:
    """Choose targets whose newest run is a deploy that left them unfinished. A promotion or a rollback is not repeated.

    `runs` are those of an app and environment, the newest first; `known` are the targets of deploy.yml. Raises: UsageError
    where nothing is left.
    """
    newest: dict[str, PastRun] = {}
    states: dict[str, str] = {}
    # The names of older journals have no milliseconds.
    for run in sorted(runs, key=lambda past: past.started_at, reverse=True):
        if run.command not in RELEASING or run.state == "running":
            continue
        for target in run.targets:
            if newest.setdefault(target.name, run) is run:
                states[target.name] = target.state
    if not newest:
        raise UsageError(f"{_NOTHING}: this machine has no deploy of it", hint="shipit deploy")
    left = [name for name in known if name in newest and newest[name].command == "deploy" and states[name] not in _DONE]
    if not left:
        raise UsageError(f"{_NOTHING}: no deploy left a target unfinished", hint="shipit deploy")
    commits = dict.fromkeys(newest[name].commit for name in left)
    return Retry(tuple(left), tuple(commits))


def other_commits(retry: Retry, commit: str) -> str:
    """A warning when the work tree has another commit than the deploys: targets would run different versions. Empty otherwise."""
    others = [other[:7] for other in retry.commits if other and other != commit]
    if not others:
        return ""
    return f"this retries a deploy of commit {', '.join(others)} with commit {commit[:7] or 'none'}: targets that are healthy are not changed"
