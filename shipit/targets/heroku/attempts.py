"""Gives an image another id when Heroku would ignore it, because a release of it failed. Pure.

Source: heroku/heroku-releases-retry issue 11: release updates of the same docker image are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shipit.digest import Digest
from shipit.targets.heroku.descriptions import newest_of
from shipit.targets.heroku.observed import ProcessFacts, ReleaseFacts

MOST_ATTEMPTS = 20


def choose_attempt(
    process: str,
    digest_of: Callable[[int], Digest],
    facts: ProcessFacts | None,
    releases: Sequence[ReleaseFacts],
    *,
    must_differ: bool = False,
) -> int:
    """The attempt whose digest to release: the one that runs already, else the first without a failed release.

    `digest_of(attempt)` is the image's digest; attempt 0 is its own. With `must_differ` the running one is not kept.
    """
    for attempt in range(MOST_ATTEMPTS):
        if facts is not None and facts.runs(digest_of(attempt)) and not must_differ:
            return attempt
    for attempt in range(MOST_ATTEMPTS):
        release = newest_of(releases, process, digest_of(attempt).short)
        runs = facts is not None and facts.runs(digest_of(attempt))
        if not runs and (release is None or release.status != "failed"):
            return attempt
    return 0
