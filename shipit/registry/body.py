"""A range of a file as the body of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from shipit.clock import Clock
from shipit.errors import BuildError


class FilePart:
    """A range of a file as a request body. It reports what is read, and stops when the run is cancelled."""

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
            # The server would wait for the rest of the Content-Length.
            raise BuildError("a file of the cache was truncated while it was uploaded", hint="run it again")
        self._left -= len(data)
        self.sent += len(data)
        self._tell(len(data))
        return data

    def rewind(self) -> None:
        """Go back to the start, for a request that is sent again."""
        self._file.seek(self._start)
        self._tell(-self.sent)
        self._left, self.sent = self._size, 0
