"""The terminal of shipit itself while a remote command has it: raw mode, its size, and its restoration."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shipit.targets.remote import Size

# Descriptor -> the mode to restore.
_modes: dict[int, list[Any]] = {}


@contextmanager
def raw_terminal(terminal: int) -> Iterator[None]:
    """Every key goes to the remote command, Ctrl-C as well; the mode of before is restored at the end."""
    _modes[terminal] = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal, termios.TCSADRAIN)
        yield
    finally:
        restore()


def restore() -> None:
    """Restore the modes of terminals, also from another thread of a process that is about to exit."""
    while _modes:
        terminal, mode = _modes.popitem()
        with contextlib.suppress(termios.error):
            # At once: a terminal that takes no output would be waited for.
            termios.tcsetattr(terminal, termios.TCSANOW, mode)


def terminal_size(terminal: int) -> Size:
    """The size, 80 by 24 where it is not known."""
    try:
        found = os.get_terminal_size(terminal)
    except OSError:
        return Size(80, 24)
    return Size(found.columns or 80, found.lines or 24)


@contextmanager
def resizes() -> Iterator[int]:
    """A descriptor that has something to read after the terminal was resized."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)

    def resized(number: int, frame: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(writer, b"\0")

    before = signal.signal(signal.SIGWINCH, resized)
    try:
        yield reader
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(reader)
        os.close(writer)
