"""What the plan says of a release that was rolled back, and that a deploy would release again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipit.past_release import PastRelease
from shipit.pipeline.choose_release import describe_past, rolled_back
from shipit.release import Release, TargetPlan
from shipit.targets.history import has_history

if TYPE_CHECKING:
    from shipit.pipeline.prepare import Preparation
    from shipit.pipeline.run import Run


def with_brought_back(run: Run, preparation: Preparation) -> Preparation:
    """The preparation with a note for each target that would run the images of a release that was rolled back.

    Only the history of a target that changes is read.
    """
    changing = [own.target for own in preparation.plan.targets if own.steps]
    asked = [preparation.targets[name] for name in changing if has_history(preparation.targets[name])]
    if not asked:
        return preparation
    from shipit.pipeline.releases import known_releases

    history = known_releases(run, asked)
    plans = (
        _noted(own, preparation.releases[own.target], history.get(own.target, ())) for own in preparation.plan.targets
    )
    return preparation._replace(plan=preparation.plan._replace(targets=tuple(plans)))


def _noted(own: TargetPlan, release: Release, history: tuple[PastRelease, ...]) -> TargetPlan:
    wanted = {str(image.config_digest) for image in release.images}
    for past in rolled_back(history):
        if wanted and {str(image.config_digest) for image in past.images} == wanted:
            note = f"this would bring back {describe_past(past)}, which was rolled back"
            return own._replace(notes=(*own.notes, note))
    return own
