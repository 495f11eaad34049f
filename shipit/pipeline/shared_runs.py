"""The runs of other machines, from the state of deploy.yml."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shipit.errors import Interrupted, ShipitError
from shipit.events import Warned
from shipit.history.state_runs import read_state_runs
from shipit.parallel import settle

if TYPE_CHECKING:
    from shipit.past_run import PastRun
    from shipit.pipeline.run import Run


def shared_runs(run: Run, environment: str) -> tuple[PastRun, ...]:
    """The runs of an environment that machines share, the newest first; none, with a warning, where they can't be read."""
    if run.state is None:
        return ()
    read = partial(read_state_runs, run.state, run.project.app, environment, lambda text: run.emit(Warned("", text)))
    found = settle({"": read}, run.clock)[""]
    if isinstance(found, Exception):
        if isinstance(found, Interrupted) or not isinstance(found, ShipitError):
            raise found
        run.emit(Warned("", f"runs of other machines are left out: {found}"))
        return ()
    return found


def with_shared(own: tuple[PastRun, ...], shared: tuple[PastRun, ...]) -> tuple[PastRun, ...]:
    """The runs of this machine and those that machines share, the newest first.

    Of a run in both, the journal has more, but that of an older shipit does not say who made it.
    """
    found = {past.run: past for past in shared}
    for past in own:
        also = found.get(past.run)
        found[past.run] = past._replace(by=past.by or (also.by if also else ""))
    return tuple(sorted(found.values(), key=lambda past: past.started_at, reverse=True))
