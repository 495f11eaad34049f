"""A command in a container, connected over the engine's API: its streams, its terminal and its exit code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from shipit.clock import Deadline
from shipit.docker.dial import ByteStream
from shipit.errors import RemoteError
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.frames import Frames
from shipit.targets.remote import Command, Output, Size

# Seconds that the engine may take to give the exit code of a command whose output has ended.
_END_S, _POLL_S = 20.0, 0.05


class Attached:
    """A command that runs. `path` is that of its exec or its container in the API; `ended` gives its exit code, None while it runs."""

    def __init__(
        self,
        stream: ByteStream,
        command: Command,
        client: HostClient,
        path: str,
        where: str,
        ended: Callable[[HostClient], int | None],
    ) -> None:
        self.where = where
        # The deadline of the session is for starting the command only.
        self._client = HostClient(client.engine, client.host, Deadline(client.deadline.clock))
        self._stream, self._path, self._ended = stream, path, ended
        # A terminal has one stream without frames.
        self._frames = Frames(stream.where) if command.terminal is None else None
        if command.terminal is not None:
            self.resize(command.terminal)

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def is_over(self) -> bool:
        return self._stream.is_over

    @property
    def has_more(self) -> bool:
        return self._stream.has_more

    @property
    def has_unsent(self) -> bool:
        return self._stream.has_unsent

    @property
    def is_full(self) -> bool:
        return self._stream.is_full

    def receive(self) -> Iterator[Output]:
        for data in self._stream.receive():
            if self._frames is None:
                yield Output(1, data)
            else:
                yield from self._frames.take(data)

    def flush(self) -> None:
        self._stream.flush()

    def give(self, data: bytes) -> None:
        self._stream.give(data)

    def end_input(self) -> None:
        self._stream.end_input()

    def resize(self, size: Size) -> None:
        # A terminal that is gone has no size, and without it the command runs on.
        with contextlib.suppress(RemoteError):
            self._client.resize(self._path, size)

    def result(self) -> int:
        clock = self._client.deadline.clock
        deadline = Deadline.after(clock, _END_S)
        while (code := self._ended(self._client)) is None:
            if not deadline.remaining_s():
                what = "the connection ended before the command"
                raise RemoteError(what, where=self._stream.where, retryable=True)
            clock.sleep(_POLL_S)
        return code

    def close(self) -> None:
        self._stream.close()
