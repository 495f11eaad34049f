"""Restarts dynos some at a time, the next ones when those before are up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
            if names := _await(changes, some):
                yield Log(changes.name, process, f"restarted {', '.join(names)}")


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


def _is_wanted(name: str, quantities: Mapping[str, int]) -> bool:
    """True where a process type has that many dynos: web.3 is the last one of three."""
    process, _, number = name.rpartition(".")
    is_number = number.isascii() and number.isdigit() and len(number) < 6
    return is_number and int(number) <= quantities.get(process, 0)


def _await(changes: Changes, some: Sequence[DynoFacts]) -> list[str]:
    """Returns when none of these dynos is the one of before, and all are up but those that somebody scaled down: the names of those that are up.

    One that is not listed is about to start: Heroku replaces it.
    """
    old = {dyno.name: (dyno.id, dyno.since) for dyno in some}
    while True:
        found = [dyno for dyno in retry_read(changes.client, changes.client.dynos) if dyno.name in old]
        new = [dyno for dyno in found if (dyno.id, dyno.since) != old[dyno.name]]
        if crashed := [dyno.name for dyno in new if dyno.state == "crashed"]:
            what = f"{', '.join(crashed)} crashed after the restart; the dynos after it were not restarted"
            raise DeployFailed(what, where=changes.name, hint=f"heroku logs --app {changes.client.app}")
        waiting = [dyno.name for dyno in found if dyno not in new or dyno.state not in UP]
        if missing := old.keys() - {dyno.name for dyno in found}:
            quantities = {
                name: facts.quantity for name, facts in retry_read(changes.client, changes.client.formation).items()
            }
            waiting += sorted(name for name in missing if _is_wanted(name, quantities))
        if not waiting:
            return [dyno.name for dyno in found]
        changes.session.deadline.sleep(_POLL_S, f"{', '.join(waiting)} to be up again")
