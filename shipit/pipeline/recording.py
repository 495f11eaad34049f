"""Records of releases at their places: one when a target begins to change, and the same again with its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from shipit.envelope import rfc3339
from shipit.errors import Interrupted, ShipitError
from shipit.events import Warned
from shipit.past_release import PastRelease
from shipit.release import PublishedImage, Release, Step, published
from shipit.targets.base import Target
from shipit.targets.history import records_published, records_releases

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

# The time limit of a place for writing a record.
_WITHIN_S = 15.0


class Record(NamedTuple):
    """The record of a release that has begun. `observed` is what the plan was made with.

    `is_written` is True where the place has it since the release began.
    """

    target: Target
    release: Release
    observed: Any
    past: PastRelease
    started_s: float
    is_written: bool = False


def begin_record(
    run: Run,
    target: Target,
    release: Release,
    observed: Any,
    steps: Sequence[Step],
    returns_to: str = "",
    wanted: str = "",
) -> Record | None:
    """Record that a release begins; None where the kind keeps no records. A failure is only a warning. `wanted` is that of the plan."""
    if not records_releases(target):
        return None
    images = tuple(published(image) for image in release.images)
    past = _past(run, images, tuple(step.summary for step in steps), returns_to)._replace(wanted=wanted)
    record = Record(target, release, observed, past, run.clock.now())
    return record._replace(is_written=_write(run, record, past, "before its first change"))


def record_published_images(
    run: Run, target: Target, images: Sequence[PublishedImage], changes: Sequence[str], returns_to: str = ""
) -> None:
    """Record what was published, once its tags are moved; nothing where the kind keeps no such records. A failure is a warning."""
    if not records_published(target):
        return
    past = _past(run, tuple(images), tuple(changes), returns_to)
    # Whoever may pull the image reads it: the name of a machine is none of theirs.
    by = past.by if "(" in past.by else past.by.partition("@")[0]
    past = past._replace(state="healthy", by=by, elapsed_s=round(run.clock.now() - run.started_s, 3))
    session = replace(run.session(target), deadline_s=run.clock.now() + _WITHIN_S)
    try:
        target.record_published(past, session)
    except Interrupted:
        raise
    except ShipitError as error:
        lost = "shipit history and shipit rollback of the target do not know it"
        run.emit(Warned(target.name, f"the release {past.version} can't be recorded: {error}; {lost}"))


def _past(run: Run, images: tuple[PublishedImage, ...], changes: tuple[str, ...], returns_to: str) -> PastRelease:
    """The release of a run that has begun."""
    # An unchanged deploy does not need it.
    from shipit.config.author import read_author

    commit, branch = run.commit
    return PastRelease(
        run.id,
        "begun",
        run.id,
        rfc3339(run.clock.wall_s()),
        by=read_author(run.environment),
        commit=commit,
        branch=branch,
        images=images,
        changes=changes,
        returns_to=returns_to,
        command=run.command,
        promoted_from=run.source.promotion.source if run.source else "",
    )


def end_record(
    run: Run, record: Record | None, state: Literal["healthy", "failed"], reason: str = "", returned_to: str = ""
) -> None:
    """Record how a release ended. `returned_to` is the version that runs again after a failure.

    A healthy one has a `reason` where its target failed after it was verified.
    """
    if record is None:
        return
    past = record.past._replace(
        state=state,
        elapsed_s=round(run.clock.now() - record.started_s, 3),
        reason=run.redactor.text(reason),
        returns_to=returned_to or record.past.returns_to,
        run_state="failed" if state == "healthy" and reason else "",
    )
    _write(run, record, past, f"with its verdict, {state}")


def _write(run: Run, record: Record, past: PastRelease, when: str) -> bool:
    target = record.target
    assert records_releases(target)
    session = run.session(target, record.release)
    session = replace(session, deadline_s=run.clock.now() + _WITHIN_S)
    try:
        target.record_release(past, record.release, record.observed, session)
    except Interrupted:
        raise
    except ShipitError as error:
        known = "know it without this verdict" if record.is_written else "do not know it"
        lost = f"shipit history and shipit rollback of other machines {known}"
        run.emit(Warned(target.name, f"the release {past.version} can't be recorded {when}: {error}; {lost}"))
        return False
    return True
