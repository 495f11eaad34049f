"""`shipit exec` given again: see `again`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from shipit.cli import signals
from shipit.cli.again import exit_code_of_error, find_entry, has_only, keep_entry
from shipit.cli.attached import command_here, exit_code_of, relay_here
from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import Interrupted
from shipit.shortcut.entries import Entry

if TYPE_CHECKING:
    from shipit.cli.options import CommandOptions
    from shipit.config.project import Project
    from shipit.targets.base import Target
    from shipit.targets.remote import Command, Remote

NAME, SEPARATOR = "exec", "--"


def exec_again(words: Sequence[str]) -> int | None:
    """The exit code of the command; None where it has to be run the usual way."""
    before, command = _parted(words)
    if not command or (found := find_entry(before)) is None:
        return None
    entry, environment = found
    has_terminal = entry.options.get("tty")
    if has_terminal not in (None, True, False):
        return None
    clock = Clock()
    try:
        with signals.on_signal(clock.cancel.set):
            if (begin := _begun(entry, environment, clock)) is not None:
                return _run(begin, command_here(command, has_terminal=has_terminal), clock)
        # The usual way would not know of a signal that has come.
        clock.check()
    except Interrupted as error:
        signals.leave(error)
    return None


def _begun(entry: Entry, environment: ProcessEnvironment, clock: Clock) -> Callable[[Command], Remote] | None:
    """A function that begins a command; None after any error, which the usual way meets again and tells. Raises: Interrupted."""
    from shipit.targets.kinds import find_kind

    try:
        return find_kind(entry.kind).load_reopen()(entry.pinned, environment, clock)
    except Interrupted:
        raise
    except Exception:
        return None


def _run(begin: Callable[[Command], Remote], command: Command, clock: Clock) -> int:
    """The exit code. From here on the command may run: an error is told, and nothing is tried again."""
    try:
        remote = begin(command)
        try:
            relay_here(remote, command, clock)
            return exit_code_of(remote.result())
        finally:
            remote.close()
    except Interrupted:
        raise
    except Exception as error:
        return exit_code_of_error(error, is_own=True)


def keep_for_again(
    options: CommandOptions, project: Project, environment: ProcessEnvironment, target: Target, workload: str
) -> None:
    """Keep what the same command line needs the next time."""
    from shipit.targets.verbs import pins

    before, command = _parted(sys.argv[1:])
    # Words on the other side of `--` that belong to the command, or to shipit, are not in the name of the entry.
    is_named = not environment.in_ci and before[:1] == (NAME,) and command == tuple(options.command or ())
    free = ("workload", "command", "environment", "tty", "interactive")
    if is_named and pins(target) and has_only(options, *free):
        keep_entry(before, project, environment, target.kind.name, target.pinned(workload), {"tty": options.tty})


def _parted(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words before `--`, and those behind it."""
    if SEPARATOR not in words:
        return (), ()
    at = list(words).index(SEPARATOR)
    return tuple(words[:at]), tuple(words[at + 1 :])
