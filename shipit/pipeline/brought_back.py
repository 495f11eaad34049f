"""The note of a plan for a release that was rolled back, and that a deploy would release again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shipit.past_release import PastRelease
from shipit.past_run import PastRun
from shipit.pipeline.choose_release import describe_past, rolled_back
from shipit.release import Release, TargetPlan
from shipit.targets.history import has_history, records_published, records_releases

if TYPE_CHECKING:
    from shipit.pipeline.prepare import Preparation
    from shipit.pipeline.run import Run
    from shipit.targets.base import Target

# How many runs of this machine are read.
_MOST_RUNS = 10


def with_brought_back(run: Run, preparation: Preparation) -> Preparation:
    """The preparation with a note for each target that would run the images of a release that was rolled back.

    Only the history of a target that changes is read; where the place keeps no records, only after a rollback by this machine.
    """
    changing = [preparation.targets[own.target] for own in preparation.plan.targets if own.steps]
    asked = [target for target in changing if has_history(target) and not records_published(target)]
    if not asked:
        return preparation
    from shipit.pipeline.releases import known_releases, read_own_runs

    runs = read_own_runs(run, _MOST_RUNS) if not all(map(records_releases, asked)) else ()
    asked = [target for target in asked if records_releases(target) or _has_rolled_back(target, runs)]
    # Only a return is worth reading more for: what runs is what it returned to.
    newest = known_releases(run, asked, runs, 1, tells_current=False)
    asked = [target for target in asked if any(past.returns_to for past in newest.get(target.name, ()))]
    history = known_releases(run, asked, runs, tells_current=False)
    plans = (
        _noted(own, preparation.releases[own.target], history.get(own.target, ())) for own in preparation.plan.targets
    )
    return preparation._replace(plan=preparation.plan._replace(targets=tuple(plans)))


def _has_rolled_back(target: Target, runs: Sequence[PastRun]) -> bool:
    return any(
        own.place == target.place.identity and (own.is_rolled_back or run.command == "rollback")
        for run in runs
        for own in run.targets
    )


def _noted(own: TargetPlan, release: Release, history: tuple[PastRelease, ...]) -> TargetPlan:
    wanted = {str(image.config_digest) for image in release.images}
    for past in rolled_back(history):
        if wanted and {str(image.config_digest) for image in past.images} == wanted:
            note = f"this would bring back {describe_past(past)}, which was rolled back"
            return own._replace(notes=(*own.notes, note))
    return own
