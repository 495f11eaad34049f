"""Rolling back a target whose deploy failed: to what ran before, or to the last release that was healthy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from shipit.errors import Interrupted, ShipitError, UsageError
from shipit.events import Warned
from shipit.past_release import PastRelease
from shipit.pipeline.choose_release import choose_release, current_release, describe_past, last_healthy, running_release
from shipit.pipeline.push_again import recall_past
from shipit.pipeline.removal import apply_and_verify
from shipit.pipeline.steps import apply_steps
from shipit.pipeline.verdict import await_verdict
from shipit.release import Facts, Place, Release, Seen, State, Verdict
from shipit.targets.base import Reverts, Target, reverts
from shipit.targets.history import pushes_again, returns

if TYPE_CHECKING:
    from shipit.pipeline.run import Run


class RollbackResult(NamedTuple):
    """The result of a rollback: `said` is the end of a sentence, `is_back` is True where what should run again does.

    `version` is the place's name for the release that runs again; empty where none does, or it is not known.
    """

    said: str = ""
    is_back: bool = False
    version: str = ""


NOT_ROLLED_BACK = RollbackResult()


def roll_back(
    run: Run, target: Target, release: Release, place: Place, before: Any, applied: Mapping[str, Facts]
) -> RollbackResult:
    """Roll a place back and wait until it is healthy. `applied` is what the steps of the deploy reported, by their ids.

    What ran before the deploy is restored, unless it was not healthy: then the place returns to the last release that was.
    A deploy that was rolled back has failed all the same. Raises: Interrupted only.
    """
    if not reverts(target):
        return RollbackResult("; this kind can't be rolled back")
    try:
        history = _before_this(run, target, before)
        known, current = running_release(history), current_release(history)
        last = last_healthy(history, known, takes_gone=pushes_again(target)) if known and returns(target) else None
        restore = partial(_restore, run, target, release, place, before, applied, known)
        if known and current and last and not _was_healthy(run, target, release, known, current, before):
            return _return_to(run, target, place, last, restore)
        return restore()
    except Interrupted:
        raise
    except ShipitError as error:
        return RollbackResult(f"; rolling back failed, too: {error}")


def has_earlier(run: Run, target: Target) -> bool:
    """True where a target has a release to roll back to, or its releases can't be read. Raises: Interrupted."""
    # Only a deploy that fails needs it.
    from shipit.pipeline.releases import known_releases

    if not returns(target):
        return False
    history = known_releases(run, [target]).get(target.name)
    if history is None:
        return True
    try:
        choose_release(target.name, history, takes_gone=pushes_again(target))
    except UsageError:
        return False
    return True


def _before_this(run: Run, target: Target, before: Any) -> tuple[PastRelease, ...]:
    """The releases of the place when the plan was made: without those of this run."""
    # Only a deploy that fails needs it.
    from shipit.pipeline.releases import known_releases

    found = tuple(past for past in known_releases(run, [target]).get(target.name, ()) if past.run != run.id)
    version = target.describe(before).version
    newest = next((at for at, past in enumerate(found) if past.version == version), 0)
    return found[newest:]


def _was_healthy(
    run: Run, target: Reverts, release: Release, known: PastRelease, current: PastRelease, before: Any
) -> bool:
    """True where what ran before the deploy was healthy: by its verdict, or where there is none by what was observed.

    `current` is the newest return to it, or itself: a return that was healthy has verified all of it again.
    """
    if current.state == "healthy":
        return True
    # Heroku's release of config vars, of no known run, that looks like a part of this deploy: it was there before.
    if known.state == "unknown" or (known.state == "begun" and not known.run):
        return _judged(run, target, release, before, before).state is not State.FAILED
    return known.state == "healthy"


def _judged(run: Run, target: Reverts, release: Release, before: Any, observed: Any) -> Verdict:
    """The verdict on what ran before, by one observation and without a wait."""
    now_s = run.clock.now()
    return target.judge_rollback(release, before, observed, Seen(now_s, now_s, now_s, None, before))


def _restore(
    run: Run, target: Reverts, release: Release, place: Place, before: Any, applied: Mapping[str, Facts],
    known: PastRelease | None,
) -> RollbackResult:  # fmt: skip
    """Bring back what was observed before the first change."""
    session = replace(run.session(target, release), commit=known.commit if known else "")
    version = known.version if known else ""
    now = target.observe(session)
    steps = target.plan_rollback(release, before, now, applied)
    if not steps:
        return _untouched(_judged(run, target, release, before, now), version)
    facts: dict[str, Facts] = {}
    apply_steps(target, steps, place, session, facts)
    judge = partial(target.judge_rollback, release, before)
    verdict, _ = await_verdict(target, judge, session, now, before, applied=facts)
    which = f": {describe_past(known)}" if known else ""
    return RollbackResult(f"; rolled back to what ran before ({verdict.reason}){which}", is_back=True, version=version)


def _return_to(
    run: Run, target: Target, place: Place, past: PastRelease, restore: Callable[[], RollbackResult]
) -> RollbackResult:
    """Return to an earlier release of the place, and wait until it is healthy.

    What ran before is brought back where the place has lost that release, and no registry has its images.
    """
    assert returns(target)
    try:
        recalled = recall_past(run, target, past)
    except Interrupted:
        raise
    except ShipitError as error:
        if not past.gone:
            raise
        run.emit(Warned(target.name, f"{error.what}: what ran before is brought back instead"))
        return restore()
    now = target.observe(run.session(target, recalled=recalled))
    steps = target.plan_return(recalled, now)
    session = replace(run.session(target, is_planning=False, recalled=recalled), commit=past.commit)
    verdict, _ = apply_and_verify(target, steps, place, session, partial(target.judge_return, recalled), now)
    which = "the last healthy release" if past.state == "healthy" else "an earlier release without a verdict"
    said = f"; rolled back to {which} ({verdict.reason}): {describe_past(past)}"
    return RollbackResult(said, is_back=True, version=past.version)


def _untouched(verdict: Verdict, version: str) -> RollbackResult:
    """The result when there are no steps. `verdict` is that on what ran before, as it was observed again."""
    if verdict.state is State.HEALTHY:
        return RollbackResult("; nothing to roll back: what ran before still runs", is_back=True, version=version)
    return RollbackResult(f"; nothing was rolled back: {verdict.reason}")
