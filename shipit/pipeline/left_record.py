"""The record of a release whose run died or failed: the run that finds nothing left to do, and verifies it, writes its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from shipit.errors import Interrupted, ShipitError
from shipit.past_release import PastRelease
from shipit.release import Release
from shipit.targets.base import Target
from shipit.targets.history import has_history, records_releases, returns

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

# The time limit of a place for the record, and the releases among which a return finds the one that it returned to.
_WITHIN_S, _MOST = 15.0, 20


def end_left_record(run: Run, target: Target, release: Release, observed: Any, returns_to: str = "") -> None:
    """End the newest record as healthy where its run died or failed, and all of what it released is what was verified now.

    `returns_to` is the version that a rollback returned to, with a release without images: it ends the record of a
    rollback to the same. Nothing is told of a place that can't be read or written: the run needed neither.
    """
    if not (has_history(target) and records_releases(target)):
        return
    session = run.session(target, release, is_planning=False)
    session = replace(session, deadline_s=run.clock.now() + _WITHIN_S, emit=lambda event: None)
    try:
        newest = next(iter(target.past_releases(1, session, tells_current=False)), None)
        if newest is None or not _is_left(newest) or _is_locked(run, target):
            return
        released = newest
        if newest.is_return:
            history = target.past_releases(_MOST, session, tells_current=False)
            released = next((past for past in history if past.version == newest.returns_to), newest)
        if returns_to:
            is_same = newest.is_return and newest.returns_to == returns_to
        else:
            is_same = _runs(run, target, released, release, session.deadline_s)
        if is_same:
            own = Release(release.app, release.environment) if newest.is_return else release
            # What the run came to stays known: only its release is healthy now.
            run_state: Literal["failed", "lost"] = "failed" if newest.state == "failed" else "lost"
            ended = newest._replace(state="healthy", run_state=run_state)
            target.record_release(ended, own, observed, session)
    except Interrupted:
        raise
    except ShipitError:
        return


def _is_left(past: PastRelease) -> bool:
    """True for a release without a verdict, or that failed. A deploy that failed and was rolled back has its verdict."""
    return past.state == "begun" or (past.state == "failed" and (past.is_return or not past.returns_to))


def _is_locked(run: Run, target: Target) -> bool:
    """True where another run changes the place, such as the one whose record has no verdict yet."""
    from shipit.pipeline.lock_keepers import read_holder

    holder = read_holder(run, target)
    return holder is not None and holder.run != run.id


def _runs(run: Run, target: Target, past: PastRelease, release: Release, deadline_s: float) -> bool:
    """True when the place runs an earlier release: its images, with settings that a return to it would not change."""
    if not (returns(target) and _has_images(past, release)):
        return False
    recalled = target.recall(past, replace(run.session(target, is_planning=False), deadline_s=deadline_s))
    session = replace(run.session(target, recalled=recalled), deadline_s=deadline_s)
    return not target.plan_return(recalled, target.observe(session))


def _has_images(past: PastRelease, release: Release) -> bool:
    wanted: Sequence[str] = sorted(str(image.config_digest) for image in release.images)
    return sorted(str(image.config_digest) for image in past.images) == wanted
