"""The past releases of targets: read from their places, completed from the journals of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from shipit.errors import Interrupted, ShipitError, UsageError
from shipit.events import Warned
from shipit.history.merged import merged
from shipit.history.past import read_runs
from shipit.parallel import settle, together
from shipit.past_release import PastRelease
from shipit.past_run import PastRun
from shipit.pipeline.choose_release import SHORTEST_NAME
from shipit.pipeline.shared_runs import shared_runs, with_shared
from shipit.targets.base import Target
from shipit.targets.history import HasHistory, has_history

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

# How many releases of a place, and runs of this machine, are read to choose from.
MOST_RELEASES, MOST_RUNS = 50, 100
# The time limit of a place for telling its releases, where a run goes on without them.
_WITHIN_S = 15.0
Releases = tuple[PastRelease, ...]


def read_releases(
    run: Run, targets: Iterable[HasHistory], runs: Sequence[PastRun] | None = None, most: int = MOST_RELEASES
) -> Mapping[str, Releases]:
    """The releases of each target, the newest first, read in parallel. `runs` as in `known_releases`. Raises: ShipitError."""
    kept = read_own_runs(run) if runs is None else runs

    def read(target: HasHistory) -> Releases:
        return merged(target.past_releases(most, run.session(target, is_planning=False)), kept, target.place)

    return together({target.name: partial(read, target) for target in targets}, run.clock)


def known_releases(
    run: Run,
    targets: Iterable[Target],
    runs: Sequence[PastRun] | None = None,
    most: int = MOST_RELEASES,
    *,
    tells_current: bool = True,
) -> Mapping[str, Releases]:
    """The same for a run that goes on without them: none where a kind has no history, or where it can't be read.

    A warning tells of a place that can't be read. `runs` are those of this machine; read where they are not given.
    `tells_current` is that of `past_releases`.
    """
    asked = [target for target in targets if has_history(target)]
    kept = read_own_runs(run) if runs is None else runs

    def read(target: HasHistory) -> Releases:
        session = run.session(target, is_planning=False)
        session = replace(session, deadline_s=min(session.deadline_s, run.clock.now() + _WITHIN_S))
        return merged(target.past_releases(most, session, tells_current=tells_current), kept, target.place)

    found: dict[str, Releases] = {}
    for name, result in settle({target.name: partial(read, target) for target in asked}, run.clock).items():
        if isinstance(result, Exception):
            if isinstance(result, Interrupted) or not isinstance(result, ShipitError):
                raise result
            run.emit(Warned(name, f"its past releases can't be read: {result}"))
        else:
            found[name] = result
    return found


def read_own_runs(run: Run, most: int = MOST_RUNS) -> tuple[PastRun, ...]:
    """The runs of this app and environment that this machine keeps, and those of its state; none where they can't be read."""
    wanted = (run.project.app, run.project.environment)
    try:
        found, _ = read_runs(run.project.root, most, lambda past: (past.app, past.environment) == wanted)
    except ShipitError:
        found = ()
    return with_shared(found, shared_runs(run, run.project.environment)) if run.state else found


def check_environment(run: Run, names: Iterable[str]) -> None:
    """Raises: UsageError for the beginning of a run that this machine knows from another environment only."""
    app, own = run.project.app, run.project.environment
    for name in names:
        if len(name) < SHORTEST_NAME:
            continue
        try:
            found, _ = read_runs(run.project.root, MOST_RUNS, partial(_begins_with, name))
        except ShipitError:
            return
        others = {past.environment for past in found if past.app == app}
        if others and own not in others:
            other = min(others)
            raise UsageError(f"the run {name} is one of {other}, not of {own}", hint=f"add -e {other}")


def _begins_with(name: str, past: PastRun) -> bool:
    return past.run.startswith(name)
