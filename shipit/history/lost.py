"""The ends of earlier runs of this machine: the warning about one that was killed, or that goes on, and how each target ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from shipit.errors import ShipitError
from shipit.history.past import NewestEnd, newest_ends, unfinished_run
from shipit.past_run import RELEASING, PastRun
from shipit.printable import counted

_MOST_TEXTS = 10


def lost_run(root: Path, app: str, environment: str) -> str:
    """A warning about the newest run of an app and environment if it has no end; empty for one that ended."""
    try:
        found = unfinished_run(root, lambda run: (run.app, run.environment) == (app, environment))
    except ShipitError:
        # A journal that can't be read is told when it is written.
        return ""
    return _warning(found) if found else ""


def ended_before(root: Path, app: str, environment: str, names: Iterable[str], run: str) -> Mapping[str, NewestEnd]:
    """Name -> how the newest deploy, rollback or promotion of this machine before `run` ended there; without what it does not know."""
    try:
        return newest_ends(
            root,
            lambda own: (
                (own.app, own.environment) == (app, environment) and own.command in RELEASING and own.run != run
            ),
            names,
        )
    except ShipitError:
        return {}


def _warning(run: PastRun) -> str:
    name = f"{run.command} {run.run} (started {run.started_at[:19].replace('T', ' ')} UTC"
    if run.state == "running":
        return f"another run is under way on this machine: {name})"
    if run.state != "lost":
        return ""
    done = f", after this was done: {_listed(run.done)}" if run.done else ""
    begun = f", while this was under way: {_listed(run.begun)}" if run.begun else ""
    return f"an earlier run has no end, as if it was killed: {name}){done}{begun}. Every target of this run is looked at again"


def _listed(texts: Sequence[str]) -> str:
    """The newest texts, in their order, and how many came before them."""
    shown = "; ".join(texts[-_MOST_TEXTS:])
    left = len(texts) - _MOST_TEXTS
    return f"{counted(left, 'step')}, and then {shown}" if left > 0 else shown
