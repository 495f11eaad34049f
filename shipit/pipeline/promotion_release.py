"""The release of a target that a promotion takes, and the doubts about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from shipit.envelope import rfc3339
from shipit.errors import UsageError
from shipit.past_release import PastRelease
from shipit.pipeline.choose_release import running_release


def release_to_promote(
    target: str, environment: str, history: Sequence[PastRelease]
) -> tuple[PastRelease, PastRelease]:
    """The newest release that runs, and the one whose contents it has: another one after a rollback.

    `history` is newest first. Raises: UsageError where what runs is no release that the place knows.
    """
    deploy = f"deploy it there first: shipit deploy {target} -e {environment}"
    if not history:
        raise UsageError(f"{environment} has no release of {target}", hint=deploy)
    current, past = next((past for past in history if past.is_current), None), running_release(history)
    if current is None or past is None:
        what = f"{target} runs something else in {environment} than its releases: it was changed without shipit"
        raise UsageError(what, hint=deploy)
    return current, past


def state_doubts(current: PastRelease) -> Iterator[str]:
    """The doubts that the verdict on a release raises; none when the place keeps no verdict."""
    if current.state == "failed":
        yield f"{current.version} was not healthy: {current.reason or 'it failed'}"
    elif current.state == "begun":
        yield f"{current.version} has no verdict: its deploy is still running, or was killed"


def healthy_at(current: PastRelease) -> str:
    """The time at which a release became healthy, RFC 3339; empty when unknown."""
    # One that a later run verified has no such time.
    if current.state != "healthy" or current.run_state or not current.released_at:
        return ""
    try:
        ended = datetime.fromisoformat(current.released_at) + timedelta(seconds=current.elapsed_s or 0)
        return rfc3339(ended.timestamp())
    except (ValueError, OverflowError):
        return ""
