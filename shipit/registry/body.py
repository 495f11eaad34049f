"""A part of a file as the body of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from shipit.clock import Clock
from shipit.errors import BuildError


class FilePart:
    """A part of a file as a request body: it tells what is read, and stops when the run does."""

    def __init__(self, file: IO[bytes], size: int, tell: Callable[[int], None], clock: Clock) -> None:
        self._file, self._left, self._tell, self._clock = file, size, tell, clock
        self._size = size
        self._start = file.tell()
        self.sent = 0

    def __len__(self) -> int:
        return self._size

    def read(self, amount: int = -1) -> bytes:
        self._clock.check()
        wanted = self._left if amount < 0 else min(amount, self._left)
        data = self._file.read(wanted)
        if wanted and not data:
            # The server would wait for what was announced.
            raise BuildError("a file of the cache became shorter while it was sent", hint="run it again")
        self._left -= len(data)
        self.sent += len(data)
        self._tell(len(data))
        return data

    def rewind(self) -> None:
        """Begin again, for a request that is sent to another place."""
        self._file.seek(self._start)
        self._tell(-self.sent)
        self._left, self.sent = self._size, 0
