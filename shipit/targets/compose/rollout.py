"""The start-first replacement of services: what deploy.yml says of it, and the order of a plan with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from shipit.errors import DeployFailed
from shipit.targets.compose.change import ServiceChange
from shipit.targets.compose.file import ServiceFacts
from shipit.targets.compose.observed import ComposeObserved, Wanted


def check_rollouts(
    target: str, named: Iterable[str], rollouts: Iterable[str], services: Mapping[str, ServiceFacts]
) -> None:
    """Raises: DeployFailed for a service that the compose file does not have, and for one that can't be replaced start-first."""
    for name in named:
        if name not in services:
            what = f"the compose file has no service {name!r}, which services: names"
            raise DeployFailed(what, where=target, hint=f"its services: {', '.join(sorted(services))}")
    for name in rollouts:
        if why := services[name].alone:
            what = f"{name} can't have rollout: start-first: {why}, so two containers of it can't run at the same time"
            raise DeployFailed(what, where=target, hint="let a proxy publish the port, or remove rollout:")


class Batch(NamedTuple):
    """Changes that are applied together: those of Compose, or one that is rolled. `is_first` is False after one that is rolled."""

    changes: tuple[ServiceChange, ...]
    is_first: bool

    @property
    def rolled(self) -> ServiceChange | None:
        return self.changes[0] if self.changes[0].is_rolled else None


def batches(changes: Iterable[ServiceChange], wanted: Wanted) -> Iterator[Batch]:
    """The changes in the order of what services need: `up` must not meet a service that is still to be rolled."""
    waiting = {change.service: change for change in changes}
    is_first = True
    while waiting:
        rolled = {name for name, change in waiting.items() if change.is_rolled}
        plain = [name for name in waiting if name not in rolled and not needed([name], wanted) & rolled]
        ready = [name for name in rolled if not (needed([name], wanted) - {name}) & set(waiting)]
        # Compose refuses a file whose services need each other in a circle; a kept one is taken as it comes.
        names = plain or sorted(ready)[:1] or sorted(rolled)[:1]
        yield Batch(tuple(waiting.pop(name) for name in names), is_first)
        is_first = is_first and bool(plain)


def needed(services: Iterable[str], wanted: Wanted) -> frozenset[str]:
    """These services, and those that start before them: Compose starts them, too."""
    found: set[str] = set()
    waiting = list(services)
    while waiting:
        name = waiting.pop()
        if name not in found and name in wanted.services:
            found.add(name)
            waiting += wanted.services[name].needs
    return frozenset(found)


def awaited(services: Iterable[str], wanted: Wanted) -> dict[str, str]:
    """Other services that have to be in a condition before these are started -> the condition."""
    names = set(services)
    found = sorted((other, said) for name in names for other, said in wanted.services[name].awaits.items())
    # A service that has ended, or is healthy, has been started as well.
    order = ("service_started", "service_healthy", "service_completed_successfully")
    ranked = sorted(found, key=lambda pair: order.index(pair[1]) if pair[1] in order else 0)
    return {other: said for other, said in ranked if other not in names}


def rollout_notes(rolled: Iterable[str], wanted: Wanted, observed: ComposeObserved) -> Iterator[str]:
    """Notes on volumes that old and new containers of services share while both run, and that the new ones do not get."""
    for name in sorted(rolled):
        service, found = wanted.services[name], observed.of(name)
        if service.volumes:
            yield f"the old and the new containers of {name} write to {', '.join(service.volumes)} at the same time"
        if folders := dict.fromkeys(folder for one in found for folder in one.anonymous):
            yield f"new containers of {name} start with an empty {', '.join(folders)}: its volume has no name in the compose file"
