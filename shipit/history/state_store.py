"""Where several machines keep what they share: the runs of an app, and locks for places that have none."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from shipit.errors import ShipitError
from shipit.files import MIB

# The most that is read of one object.
MOST_BYTES = MIB
CLOCK = "clock"


class StateError(ShipitError):
    """The state can't be read or written."""


class Kept(NamedTuple):
    """An object of the state. `version` is what `swap` compares; `modified_s` is when it was written, by the clock of the store."""

    data: bytes
    version: str
    modified_s: float


class StateStore(Protocol):
    """Objects by name, such as `locks/4f1c`. Each is compared and swapped: of two that write it at once, one does. Thread-safe.

    `title` is what and where it is, for people. A store without `keeps_locks` writes what is newer and compares as far as it
    can: it is for runs only, and has no clock. Every method raises StateError.
    """

    title: str

    @property
    def keeps_locks(self) -> bool: ...

    def read(self, name: str) -> Kept | None:
        """An object; None where there is none."""
        ...

    def swap(self, name: str, data: bytes, version: str) -> str | None:
        """Write an object if it still has a version, and give its new one; None where it has not. An empty version is no object yet."""
        ...

    def now_s(self) -> float:
        """The time of the store, in seconds since the epoch. It writes the object `clock` to learn it."""
        ...
