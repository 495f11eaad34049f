"""The runs that the places of a project tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipit.errors import UsageError
from shipit.history.joined import PlaceHistory, joined
from shipit.pipeline.choose_release import find_release
from shipit.pipeline.releases import known_releases

if TYPE_CHECKING:
    from shipit.past_run import PastRun
    from shipit.pipeline.run import Run


def find_runs(run: Run, name: str) -> tuple[PastRun, ...]:
    """The runs with a release of this name, a version or a run, at any target. Empty where no target knows it."""
    history = known_releases(run, run.targets)
    found = []
    for target in run.targets:
        try:
            past = find_release(target.name, history.get(target.name, ()), name)
        except UsageError:
            continue
        found.append(
            PlaceHistory(target.name, target.place.identity, run.project.app, run.project.environment, (past,))
        )
    return joined((), found)
