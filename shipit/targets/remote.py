"""A command that runs in a place, with its standard streams. Values and a protocol; imports nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Size(NamedTuple):
    """The size of a terminal."""

    columns: int
    rows: int


class Command(NamedTuple):
    """A command as a list of words. `terminal` is the size of its terminal, None for none; `has_input` is whether it has stdin."""

    words: tuple[str, ...]
    terminal: Size | None = None
    has_input: bool = False


class Output(NamedTuple):
    """Bytes that a command wrote: `stream` is 1 for stdout, 2 for stderr. With a terminal all of it is stdout."""

    stream: int
    data: bytes


class Remote(Protocol):
    """A command that runs. For one thread, and closed by it: no method waits, except `result` and `close`.

    `fileno` is for select: to read always, to write while `has_unsent`. `has_more` is whether there is more to receive at
    once. `where` is what it runs in, such as a pod.
    """

    @property
    def where(self) -> str: ...

    @property
    def is_over(self) -> bool:
        """Whether its output has ended."""
        ...

    @property
    def has_more(self) -> bool: ...

    @property
    def has_unsent(self) -> bool: ...

    @property
    def is_full(self) -> bool:
        """Whether no more input should be given for now."""
        ...

    def fileno(self) -> int: ...

    def receive(self) -> Iterator[Output]:
        """What has arrived. Raises: RemoteError."""
        ...

    def flush(self) -> None:
        """Send what can be sent now, and keep the connection alive. Raises: RemoteError."""
        ...

    def give(self, data: bytes) -> None:
        """Input for the command."""
        ...

    def end_input(self) -> None:
        """The end of its input. Raises: RemoteError where the place can't pass it on."""
        ...

    def resize(self, size: Size) -> None: ...

    def result(self) -> int:
        """The exit code, after the output has ended. Raises: RemoteError when the command could not be run, or is not known."""
        ...

    def close(self) -> None:
        """Close the connection, and remove what was made for the command."""
        ...


class Connection(Protocol):
    """A connection to a port of an instance. For one thread, and closed by it: no method waits."""

    @property
    def is_over(self) -> bool: ...

    @property
    def has_more(self) -> bool: ...

    @property
    def has_unsent(self) -> bool: ...

    @property
    def is_full(self) -> bool: ...

    def fileno(self) -> int: ...

    def receive(self) -> Iterator[bytes]:
        """What has arrived. Raises: RemoteError, also when nothing listens on the port."""
        ...

    def flush(self) -> None:
        """Send what can be sent now, and keep the connection alive. Raises: RemoteError."""
        ...

    def give(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Ports(Protocol):
    """The ports of the instances of a workload. Safe to use from several threads."""

    def check(self, port: int) -> None:
        """That there is an instance to connect to. Raises: RemoteError."""
        ...

    def open(self, port: int) -> Connection:
        """A connection to the port of an instance; to another instance when one is gone. Raises: RemoteError."""
        ...


class Started(NamedTuple):
    """A command that runs and that nobody is connected to. `where` is what it runs in, `follow` the command that shows its output."""

    where: str
    follow: str
