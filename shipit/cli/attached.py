"""What `exec` and `run` share: this process as the terminal of a remote command, and its exit code."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from shipit.cli.raw_terminal import raw_terminal, resizes, terminal_size
from shipit.cli.relay import Local, relay, write_output
from shipit.clock import Clock
from shipit.errors import ShipitError, UsageError
from shipit.targets.remote import Command, Output, Remote

if TYPE_CHECKING:
    from shipit.cli.options import CommandOptions
    from shipit.events import Emit, Log

# As `docker run` has it: another code is the command's own.
NOT_RUN = 125
_LONGEST_LINE = 64 * 1024


def command_of(options: CommandOptions) -> Command:
    """The command that the options name, with the terminal that this process has. Raises: UsageError."""
    if not options.command:
        raise UsageError("there is no command", hint="write it after --, for example -- sh")
    if options.output == "json":
        if options.tty:
            raise UsageError("--output json has no terminal", hint="leave out --tty")
        return command_here(options.command, has_terminal=False)
    return command_here(options.command, has_terminal=options.tty)


def command_here(words: Sequence[str], *, has_terminal: bool | None = None) -> Command:
    """A command with the terminal and the input of this process; it has a terminal if both streams are one, unless told."""
    if has_terminal is None:
        has_terminal = sys.stdin.isatty() and os.isatty(1)
    return Command(tuple(words), terminal_size(1) if has_terminal else None, has_input=_has_input())


def attach(remote: Remote, command: Command, emit: Emit, target: str, clock: Clock, *, as_events: bool) -> int:
    """Relay until the command ends; the exit code for this process. With `as_events` its output becomes events, by lines.

    Raises: RemoteError, OSError, Interrupted.
    """
    from shipit.events import CommandEnded

    began_s = time.monotonic()
    lines = _Lines(target, emit) if as_events else None
    relay_here(remote, command, clock, lines or write_output)
    if lines:
        lines.end()
    code = remote.result()
    emit(CommandEnded(target, remote.where, code, time.monotonic() - began_s))
    return exit_code_of(code)


def relay_here(remote: Remote, command: Command, clock: Clock, write: Callable[[Output], None] = write_output) -> None:
    """Relay the streams of this process, whose terminal is raw meanwhile. Raises: RemoteError, OSError, Interrupted."""
    stdin = 0 if command.has_input else None
    is_raw = command.terminal is not None and os.isatty(0)
    with resizes() as resized, raw_terminal(0) if is_raw else nullcontext():
        relay(remote, Local(stdin, write, resized if is_raw else None, lambda: terminal_size(1)), clock)


def exit_code_of(code: int) -> int:
    """The exit code of this process for that of a command: one of Windows may be larger, and 256 would become 0 here."""
    return code if 0 <= code <= 255 else 255


@contextmanager
def own_exit_code() -> Iterator[None]:
    """Errors of shipit exit with 125 instead of 1, which may be the command's own."""
    try:
        yield
    except ShipitError as error:
        if error.exit_code == ShipitError.exit_code:
            error.exit_code = NOT_RUN
        raise


def _has_input() -> bool:
    """Whether stdin may be read: not the null device, and not the terminal of a job in the background."""
    try:
        found = os.fstat(0)
        if os.isatty(0):
            return os.tcgetpgrp(0) == os.getpgrp()
        return not stat.S_ISCHR(found.st_mode)
    except OSError:
        return False


class _Lines:
    """Turns output into Log events, a line each; the source is the name of the stream."""

    def __init__(self, target: str, emit: Callable[[Log], None]) -> None:
        self._target, self._emit = target, emit
        self._parts = {1: b"", 2: b""}

    def __call__(self, output: Output) -> None:
        *lines, rest = (self._parts[output.stream] + output.data).split(b"\n")
        while len(rest) > _LONGEST_LINE:
            lines.append(rest[:_LONGEST_LINE])
            rest = rest[_LONGEST_LINE:]
        self._parts[output.stream] = rest
        for line in lines:
            self._tell(output.stream, line)

    def end(self) -> None:
        for stream, rest in self._parts.items():
            if rest:
                self._tell(stream, rest)

    def _tell(self, stream: int, line: bytes) -> None:
        from shipit.events import Log

        name = "stdout" if stream == 1 else "stderr"
        self._emit(Log(self._target, name, line.decode("utf-8", "replace").removesuffix("\r")))
