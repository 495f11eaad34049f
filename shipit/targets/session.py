"""What a target is handed to work with. A target keeps nothing between two calls; what lasts for a run is kept here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.events import Emit
from shipit.http.retry import ATTEMPTS
from shipit.release import Release

if TYPE_CHECKING:
    from shipit.delivery.inventory import Inventory
    from shipit.registry.registries import Registries

T = TypeVar("T")


class Closable(Protocol):
    """What holds connections or files."""

    def close(self) -> None:
        """End them; never raises."""
        ...


class Clients:
    """What is made once in a run and shared: connections, logins, tokens. Safe to use from several threads."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}
        self._locks: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave when this key was asked for first; an error is not kept."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._made:
                self._made[key] = make()
            return cast("T", self._made[key])

    def close(self) -> None:
        """Close what can be closed. What is asked for afterwards is made anew."""
        with self._lock:
            made, self._made = list(self._made.values()), {}
        for client in reversed(made):
            close = getattr(client, "close", None)
            if close is not None:
                close()


@dataclass(frozen=True)
class Session:
    """What reading a place and acting on it need: time, the env and secrets of one target, clients, and where to tell.

    `mark` gives a keyed hash of a value; equal values of one place have equal hashes, also in other runs from this
    machine. `deadline_s` is on the clock's own scale. `clients` are shared by the targets of a run and closed at its end.
    `registries` have the credentials in use; `inventory` is what they were found to have before anything was changed.
    `attempts` is how often a read is tried that fails in a way that may pass: once where the caller looks again by
    itself. `release` is what the run wants here, once it is known; None while the plan is still to be made.
    """

    environment: ProcessEnvironment
    clock: Clock
    emit: Emit = field(repr=False)
    mark: Callable[[str], str] = field(repr=False)
    deadline_s: float
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    clients: Clients = field(default_factory=Clients, repr=False)
    registries: Registries | None = field(default=None, repr=False)
    inventory: Inventory | None = field(default=None, repr=False)
    attempts: int = ATTEMPTS
    release: Release | None = None

    @property
    def deadline(self) -> Deadline:
        """The moment that no call, wait or stream for this target may outlast."""
        return Deadline(self.clock, self.deadline_s)
