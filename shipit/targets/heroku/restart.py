"""Restarts dynos some at a time, the next ones when those before are up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from shipit.errors import DeployFailed, RemoteError
from shipit.events import Event, Log
from shipit.targets.heroku.changes import Changes
from shipit.targets.heroku.observed import UP, DynoFacts
from shipit.targets.heroku.retry import retry_read, write_once
from shipit.targets.heroku.steps import SHARE, Restart

_POLL_S = 1.0


def restart(changes: Changes, step: Restart) -> Iterator[Event]:
    """Raises: DeployFailed for a dyno that crashes: those after it are not restarted."""
    now = changes.read(step, "dynos")
    for process in step.processes:
        own = [dyno for dyno in now.dynos if dyno.process == process]
        if len(own) < 2:
            changes.session.fence()
            write_once(changes.client, partial(changes.client.restart, process), lambda: False)
            continue
        for some in _batches(own):
            changes.session.fence()
            for dyno in some:
                _restart_one(changes, dyno)
            _await(changes, some)
            yield Log(changes.name, process, f"restarted {', '.join(dyno.name for dyno in some)}")


def _batches(dynos: Sequence[DynoFacts]) -> Iterator[Sequence[DynoFacts]]:
    size = max(1, len(dynos) // SHARE)
    ordered = sorted(dynos, key=lambda dyno: (len(dyno.name), dyno.name))
    yield from (ordered[at : at + size] for at in range(0, len(ordered), size))


def _restart_one(changes: Changes, dyno: DynoFacts) -> None:
    """One that is gone is fine: somebody scaled the process type down."""
    try:
        write_once(changes.client, partial(changes.client.restart_dyno, dyno.name), lambda: False)
    except RemoteError as error:
        if error.status != 404:
            raise


def _await(changes: Changes, some: Sequence[DynoFacts]) -> None:
    """Returns when none of these dynos is the one of before, and all that are there are up."""
    old = {dyno.name: (dyno.id, dyno.since) for dyno in some}
    while True:
        found = [dyno for dyno in retry_read(changes.client, changes.client.dynos) if dyno.name in old]
        new = [dyno for dyno in found if (dyno.id, dyno.since) != old[dyno.name]]
        if crashed := [dyno.name for dyno in new if dyno.state == "crashed"]:
            what = f"{', '.join(crashed)} crashed after the restart; the dynos after it were not restarted"
            raise DeployFailed(what, where=changes.name, hint=f"heroku logs --app {changes.client.app}")
        waiting = [dyno.name for dyno in found if dyno not in new or dyno.state not in UP]
        if not waiting:
            return
        changes.session.deadline.sleep(_POLL_S, f"{', '.join(waiting)} to be up again")
