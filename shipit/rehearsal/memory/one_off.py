"""A one-off command in memory: it prints its words, then its input; `exit N` ends with the code N."""

from __future__ import annotations

import os
from collections.abc import Iterator

from shipit.targets.remote import Command, Output, Size


class MemoryCommand:
    """Runs nothing. A pipe of its own tells select that there is output."""

    def __init__(self, where: str, command: Command) -> None:
        self.where = where
        self.is_over = self.has_more = self.has_unsent = self.is_full = False
        self._command = command
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._is_ended = not command.has_input
        self._output = f"{' '.join(command.words)}\n".encode()
        os.write(self._writer, b"\0")

    def fileno(self) -> int:
        return self._reader

    def receive(self) -> Iterator[Output]:
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            return
        data, self._output = self._output, b""
        if data:
            yield Output(1, data)
        self.is_over = self._is_ended

    def flush(self) -> None:
        """Nothing waits to be sent."""

    def give(self, data: bytes) -> None:
        self._output += data
        os.write(self._writer, b"\0")

    def end_input(self) -> None:
        self._is_ended = True
        os.write(self._writer, b"\0")

    def resize(self, size: Size) -> None:
        """It has no terminal."""

    def result(self) -> int:
        words = self._command.words
        return int(words[1]) if len(words) == 2 and words[0] == "exit" and words[1].isdigit() else 0

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)
