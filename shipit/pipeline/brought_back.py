"""The note of a plan for a release that was rolled back, and that a deploy would release again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shipit.past_release import PastRelease
from shipit.past_run import PastRun
from shipit.pipeline.choose_release import BRINGS_BACK, describe_past, rolled_back
from shipit.release import Plan, Release
from shipit.targets.history import has_history, records_published, records_releases

if TYPE_CHECKING:
    from shipit.pipeline.prepare import Preparation
    from shipit.pipeline.run import Run
    from shipit.targets.base import Target

# How many runs of this machine are read.
_MOST_RUNS = 10


def with_brought_back(run: Run, preparation: Preparation) -> Preparation:
    """The preparation with a note for each target that would run the images of a release that was rolled back.

    With `keep_rolled_back` in deploy.yml, such a target is left alone until its images or settings change.
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
    found = {
        own.target: past
        for own in preparation.plan.targets
        if (past := _brought_back(preparation.releases[own.target], history.get(own.target, ())))
    }
    keeps = run.project.keeps_rolled_back and run.source is None
    left = {
        own.target: f"{describe_past(found[own.target])} was rolled back, and deploy.yml asks for the same images and settings"
        for own in preparation.plan.targets
        if keeps and own.target in found and own.wanted and own.wanted == found[own.target].wanted
    }
    return _without(preparation._replace(plan=_noted(preparation.plan, found, left), left=left))


def _noted(plan: Plan, found: Mapping[str, PastRelease], left: Mapping[str, str]) -> Plan:
    """The plan with a note for each target that was rolled back. Those that are left alone change nothing."""
    targets = []
    for own in plan.targets:
        past = found.get(own.target)
        if past and own.target in left:
            back = f"shipit rollback {own.target} --to {past.version} brings it back"
            own = own._replace(uploads=(), steps=(), notes=(f"is left alone: {left[own.target]}; {back}",))
        elif past:
            own = own._replace(notes=(*own.notes, f"{BRINGS_BACK} {describe_past(past)}, which was rolled back"))
        targets.append(own)
    return plan._replace(targets=tuple(targets))


def _without(preparation: Preparation) -> Preparation:
    """The preparation without the uploads and tags that only targets need that are left alone."""
    if not preparation.left:
        return preparation
    others = [target for name, target in preparation.targets.items() if name not in preparation.left]
    needed = {(use.image, use.repository) for target in others for use in target.images()}
    uses = {use: item for use, item in preparation.uses.items() if (use.image, use.repository) in needed}
    repositories = {use.repository for use in uses}
    tags = tuple(move for move in preparation.plan.tags if move.repository in repositories)
    return preparation._replace(uses=uses, plan=preparation.plan._replace(tags=tags))


def _has_rolled_back(target: Target, runs: Sequence[PastRun]) -> bool:
    return any(
        own.place == target.place.identity and (own.is_rolled_back or run.command == "rollback")
        for run in runs
        for own in run.targets
    )


def _brought_back(release: Release, history: tuple[PastRelease, ...]) -> PastRelease | None:
    """The release that was rolled back and had the images of this one; None without one."""
    wanted = {str(image.config_digest) for image in release.images}
    same = (past for past in rolled_back(history) if {str(image.config_digest) for image in past.images} == wanted)
    return next(same, None) if wanted else None
