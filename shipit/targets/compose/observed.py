"""A Compose project as observed, and a release as it should run: plain values that go to JSON and come back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shipit.printable import FreeText, Name
from shipit.targets.engine.made_by import UNKNOWN, MadeBy

SERVED = ("running", "restarting", "paused")


class ContainerFacts(NamedTuple):
    """One container of a service. `hash` is a keyed hash of the one by which Compose knows its settings.

    `image` is the one that it was created from, as it was written. `marks`: name -> keyed hash of the value of each variable. `is_own` is whether
    shipit deployed it. `image_ids` are the ids of the image that it was created from, `is_outdated` is whether its tag names another
    image on the engine now. `local_ports` are those of `ports` that only the host itself can reach. `anonymous` are
    the folders of its volumes without a name. `file` is the compose file that it was started from, as Compose labels it; `-` for shipit's.
    `undecided_s` is how long its healthcheck may take to decide, 0 where it has. `origin` are its labels of the run that made it, and `made` says who that was. `beside` is the id of the container that restarted while
    it served. The other fields are those of the kind docker.
    """

    id: Name
    name: Name
    service: Name
    number: int
    hash: Name
    image: Name
    marks: Mapping[str, str] = {}
    is_own: bool = True
    state: Name = ""
    health: Name = ""
    said: FreeText = ""
    restarts: int = 0
    exit_code: int = 0
    error: FreeText = ""
    is_out_of_memory: bool = False
    started_at: Name = ""
    ports: tuple[int, ...] = ()
    image_ids: tuple[Name, ...] = ()
    is_outdated: bool = False
    local_ports: tuple[int, ...] = ()
    anonymous: tuple[Name, ...] = ()
    file: FreeText = ""
    origin: Mapping[str, str] = {}
    made: MadeBy = UNKNOWN
    beside: Name = ""
    undecided_s: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.state in SERVED

    @property
    def is_serving(self) -> bool:
        """True for one that runs, and that its healthcheck, where it has one, does not call unhealthy or starting."""
        return self.state == "running" and self.health in ("", "healthy")

    @property
    def claims(self) -> frozenset[str]:
        """What no other container can have while it is there, or while it runs."""
        ports = self.ports if self.is_running else ()
        return frozenset([f"the name {self.name}", *(f"the port {port}" for port in ports)])

    @property
    def has_ended_well(self) -> bool:
        return self.state == "exited" and self.exit_code == 0 and not self.error and not self.is_out_of_memory

    @property
    def ended(self) -> str:
        """The way it ended, as a phrase of a message."""
        if self.is_out_of_memory:
            return "ran out of memory"
        if self.state == "created":
            return f"was not started{f': {self.error}' if self.error else ''}"
        if self.exit_code < 0:
            return "ended"
        return f"exited with {self.exit_code}" + (f": {self.error}" if self.error else "")


class WantedService(NamedTuple):
    """A service of a rendered file. `quantity` is None where the file does not say it.

    `may_end` is whether a container that ended with 0 is fine, `must_end` whether others wait for its end.
    `needs` are the services that start before it, and `follows` those of them with which it is restarted. `awaits`, `alone`,
    `volumes` and `claims` are those of the compose file.
    """

    image: Name
    hash: Name
    quantity: int | None = None
    may_end: bool = False
    must_end: bool = False
    marks: Mapping[str, str] = {}
    needs: tuple[Name, ...] = ()
    follows: tuple[Name, ...] = ()
    awaits: Mapping[str, str] = {}
    alone: Name = ""
    volumes: tuple[Name, ...] = ()
    claims: tuple[Name, ...] = ()

    def is_met_by(self, found: ContainerFacts) -> bool:
        """True when a container has the wanted image, settings and values, whatever its state."""
        return found.hash == self.hash and self.has_values_of(found)

    def has_values_of(self, found: ContainerFacts) -> bool:
        return found.image == self.image and all(found.marks.get(name) == mark for name, mark in self.marks.items())

    def keeps(self, found: Iterable[ContainerFacts]) -> tuple[ContainerFacts, ...]:
        """Those of the containers of this service that are not replaced, by their numbers. The first one has the labels that all get."""
        kept = (one for one in found if self.is_met_by(one) and not one.is_outdated)
        return tuple(sorted(kept, key=lambda one: one.number))

    def is_served_by(self, found: ContainerFacts) -> bool:
        """True for a container that runs, or that ended as it may."""
        return found.is_running or (self.may_end and found.has_ended_well)

    def amount(self, found: tuple[ContainerFacts, ...]) -> int:
        """The wanted number of containers, of those that are there and are not left of a restart."""
        if self.quantity is not None:
            return self.quantity
        return max(1, len(found) - len(left_beside(found)))


def left_beside(found: Iterable[ContainerFacts]) -> tuple[ContainerFacts, ...]:
    """Containers that a killed restart did not remove: each served while another one restarted, which serves now."""
    found = tuple(found)
    serving = {one.id for one in found if one.is_serving}
    return tuple(one for one in found if one.beside in serving)


class Wanted(NamedTuple):
    """A rendered file as a plan sees it. `file` is a keyed hash of its text. `images`: service -> its pinned image, where it is one of
    deploy.yml. `platforms`: pinned image -> its platform. `is_kept` is whether the engine keeps the file, for rollback.
    """

    file: Name
    services: Mapping[str, WantedService] = {}
    images: Mapping[str, str] = {}
    platforms: Mapping[str, str] = {}
    is_kept: bool = False


class ComposeObserved(NamedTuple):
    """`containers` are those of the services of the project; `files` the rendered files that the engine keeps, the newest
    first; `images` the pinned images that it has. `wanted` is what the run wants; None where that is not known yet. `unset` are
    variables of its compose file that have no value; `merged` the files that Compose finds by itself, where they are two.
    """

    containers: tuple[ContainerFacts, ...] = ()
    files: tuple[Wanted, ...] = ()
    images: frozenset[str] = frozenset()
    wanted: Wanted | None = None
    unset: tuple[Name, ...] = ()
    merged: tuple[Name, ...] = ()

    def of(self, service: str) -> tuple[ContainerFacts, ...]:
        return tuple(one for one in self.containers if one.service == service)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that have containers."""
        return tuple(sorted({one.service for one in self.containers}))

    @property
    def current(self) -> Wanted | None:
        """The kept file of which every service runs, and nothing else of shipit does; None where none is."""
        return next((file for file in self.files if self.runs(file)), None)

    @property
    def made(self) -> Wanted | None:
        """The kept file that all containers of shipit were made from, whether they run or not; None where none is."""
        own = [one for one in self.containers if one.is_own]
        for file in self.files if own else ():
            if all(one.service in file.services and file.services[one.service].is_met_by(one) for one in own):
                return file
        return None

    @property
    def made_services(self) -> Mapping[str, WantedService]:
        """The services of the file that the containers were made from: after a crash it is not the one that runs."""
        return self.made.services if self.made else {}

    def runs(self, file: Wanted) -> bool:
        others = [one for one in self.containers if one.is_own and one.service not in file.services]
        return not others and all(self._runs(service, name) for name, service in file.services.items())

    def _runs(self, service: WantedService, name: str) -> bool:
        found = self.of(name)
        if not found:
            return service.quantity == 0
        return all(service.is_met_by(one) for one in found) and any(service.is_served_by(one) for one in found)
