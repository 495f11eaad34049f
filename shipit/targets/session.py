"""The session that a target gets with every call. A target keeps no state between calls; what lasts for a run is kept here."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import DeployFailed
from shipit.events import Emit, Warned
from shipit.http.retry import ATTEMPTS
from shipit.release import Release
from shipit.threads import Once

if TYPE_CHECKING:
    from shipit.delivery.delivery import Delivery
    from shipit.delivery.inventory import Inventory
    from shipit.registry.registries import Registries

T = TypeVar("T")


class Clients:
    """Connections, logins and tokens that are made once in a run and shared. Safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._clients: Once[Hashable, Any] = Once()
        self._open = ExitStack()

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """The client of a key, which `make` makes when it is asked for first. An error is not kept."""

        def made() -> T:
            client = make()
            if hasattr(client, "close"):
                self._open.callback(client.close)
            return client

        return cast("T", self._clients.get(key, made, Deadline(self._clock), "a connection to be made"))

    def close(self) -> None:
        """Close what can be closed, the newest first."""
        self._open.close()


class Shared(Protocol):
    """The registries and the images that all targets of a run share."""

    @property
    def delivery(self) -> Delivery: ...

    @property
    def registries(self) -> Registries: ...

    @property
    def inventory(self) -> Inventory: ...


def _open() -> None:
    """For a place without a lock."""


@dataclass(frozen=True)
class Session:
    """Everything that a target needs to read and change its place: time, env and secrets, clients, and `emit` for events.

    `mark` gives a keyed hash of a value; equal values of one place have equal hashes, also in other runs from this
    machine. `deadline_s` is on the clock's own scale. `clients` are shared by the targets of a run and closed at its end.
    `shared` are the registries of the run; `exec` and `run` have none. `attempts` is how often a read is tried that fails
    temporarily: 1 where the caller repeats it. `watches` is True where the place is observed again and again, so that a
    target may watch it between two looks. `release` is what the run wants here; None before the plan is made.
    `is_planning` is True where a deploy is planned with what is observed: otherwise what only that plan needs is not read.
    `fence` raises where the run does not hold the lock of the place any more, and `check_superseded` where a newer deploy has
    asked it to stop. `recalled` is the release that the run
    returns to, as the target recalled it; None otherwise. `run` is the id of the run, and `commit` that of what it releases or
    returns to; empty where not known.
    """

    environment: ProcessEnvironment
    clock: Clock
    emit: Emit = field(repr=False)
    mark: Callable[[str], str] = field(repr=False)
    deadline_s: float
    clients: Clients = field(repr=False)
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    shared: Shared | None = field(default=None, repr=False)
    attempts: int = ATTEMPTS
    watches: bool = False
    release: Release | None = None
    is_planning: bool = True
    recalled: Any = field(default=None, repr=False)
    run: str = ""
    commit: str = ""
    fence: Callable[[], None] = field(default=_open, repr=False)
    check_superseded: Callable[[], None] = field(default=_open, repr=False)

    def warner(self, target: str) -> Callable[[str], None]:
        """A function that emits a text as a warning about a target."""
        return lambda text: self.emit(Warned(target, text))

    @property
    def registries(self) -> Registries | None:
        """With the credentials in use. Made on first use."""
        return self.shared.registries if self.shared else None

    @property
    def inventory(self) -> Inventory | None:
        """The contents of the registries before anything was changed."""
        return self.shared.inventory if self.shared else None

    @property
    def delivery(self) -> Delivery | None:
        """The images that the run has built, and the layers that this machine has."""
        return self.shared.delivery if self.shared else None

    @property
    def deadline(self) -> Deadline:
        """The time limit of every call, wait and stream for this target."""
        return Deadline(self.clock, self.deadline_s)

    def planned_values(self, marks: Mapping[str, str], where: str) -> dict[str, str]:
        """The values of variables and secrets that a step names. `marks`: name -> keyed hash in the plan.

        Raises: DeployFailed at `where` when a value is not the one that the plan was made with.
        """
        known = {**self.env, **self.secrets}
        for name, mark in marks.items():
            if name not in known or self.mark(known[name]) != mark:
                what = f"{name} has another value than when the plan was made"
                raise DeployFailed(what, where=where, hint="make a new plan")
        return {name: known[name] for name in marks}
