"""A pseudo-terminal with a program in it, as a person sits at it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Terminal:
    """`shipit` at a terminal of 80 by 24; `shown` is all that it showed so far."""

    def __init__(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.shown = b""
        self.code: int | None = None
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(sys.executable, [sys.executable, "-m", "shipit", *arguments], dict(env))
        self.resize(80, 24)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._terminal)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def wait_for(self, text: str, timeout_s: float = 60) -> str:
        """What is shown up to a text, which is taken away from `shown`."""
        until = time.monotonic() + timeout_s
        while text.encode() not in self.shown:
            assert self._read(until), f"{text!r} was not shown, but {self.shown!r}"
        before, _, self.shown = self.shown.partition(text.encode())
        return before.decode()

    def wait(self, timeout_s: float = 60) -> int:
        """The exit code."""
        until = time.monotonic() + timeout_s
        while self._read(until):
            continue
        assert time.monotonic() < until, f"no end: {self.shown!r}"
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def mode(self) -> list[Any]:
        """The mode of the terminal, without its control characters."""
        return termios.tcgetattr(self._terminal)[:4]

    def _read(self, until_s: float) -> bool:
        if not select.select([self._terminal], [], [], max(0.0, until_s - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # What Linux says at the end of a terminal.
            return False
        self.shown += data
        return bool(data)
