"""What the newest run of an environment left behind on this machine, when it has no end."""

from __future__ import annotations

from pathlib import Path

from shipit.errors import ShipitError
from shipit.history.past import read_runs
from shipit.past_run import PastRun


def lost_run(root: Path, app: str, environment: str) -> str:
    """A warning about the newest run of an app and environment if it was killed, or still runs; empty for another end."""
    try:
        found, _ = read_runs(root, 1, lambda run: (run.app, run.environment) == (app, environment))
    except ShipitError:
        # A journal that can't be read is told when it is written.
        return ""
    return _warning(found[0]) if found else ""


def _warning(run: PastRun) -> str:
    name = f"{run.command} {run.run} (started {run.started_at[:19].replace('T', ' ')} UTC"
    if run.state == "running":
        return f"another run is under way on this machine: {name})"
    if run.state != "lost":
        return ""
    begun = f" while this was under way: {'; '.join(run.begun)}" if run.begun else ""
    return f"an earlier run was killed: {name}){begun}. Every place is looked at again, and what is missing is done"
