"""An image that Heroku ignores because its release failed is given again under another id. Pure.

Source: heroku/heroku-releases-retry issue 11: release updates of the same docker image are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shipit.digest import Digest
from shipit.targets.heroku.descriptions import newest_giving
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
    """Which id an image is given under: what runs already, else the first that no failed release was given.

    `digest_of(attempt)` is the image's digest; 0 is its own. With `must_differ` what runs is not kept.
    """
    for attempt in range(MOST_ATTEMPTS):
        if facts is not None and facts.runs(digest_of(attempt)) and not must_differ:
            return attempt
    for attempt in range(MOST_ATTEMPTS):
        given = newest_giving(releases, process, digest_of(attempt).short)
        runs = facts is not None and facts.runs(digest_of(attempt))
        if not runs and (given is None or given.status != "failed"):
            return attempt
    return 0
