"""`shipit exec` given again: begun without typer and without reading deploy.yml, where nothing of it has changed.

What is unusual, and every error before the command begins, is left to the usual way, which tells it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from shipit.cli import signals
from shipit.cli.attached import command_here, exit_code_of, relay_here
from shipit.cli.printing import read_environment
from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import Interrupted
from shipit.shortcut.entries import Entry, read_entry

if TYPE_CHECKING:
    from shipit.cli.options import CommandOptions
    from shipit.config.project import Project
    from shipit.targets.base import Target
    from shipit.targets.remote import Command, Remote

NAME, SEPARATOR = "exec", "--"


def exec_again(words: Sequence[str]) -> int | None:
    """The exit code of a command line that was given before; None where it has to be run the usual way."""
    before, command = _parted(words)
    environment = read_environment()
    if not command or environment.in_ci or (entry := read_entry(before, environment)) is None:
        return None
    clock = Clock()
    try:
        with signals.on_signal(clock.cancel.set):
            begin = _begun(entry, environment, clock)
            return None if begin is None else _run(begin, command_here(command, has_terminal=entry.has_terminal), clock)
    except Interrupted as error:
        signals.leave(error)


def _begun(entry: Entry, environment: ProcessEnvironment, clock: Clock) -> Callable[[Command], Remote] | None:
    """A function that begins a command; None after any error, which the usual way meets again and tells."""
    from shipit.targets.kinds import find_kind

    environment.redactor.add(environment.variables[name] for name in entry.held if name in environment.variables)
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
        return _told(error)


def _told(error: Exception) -> int:
    """Print an error as every command does; the exit code."""
    import typer

    from shipit.cli.attached import own_exit_code
    from shipit.cli.exits import exit_on_error

    try:
        with exit_on_error(False), own_exit_code():
            raise error
    except typer.Exit as end:
        return end.exit_code


def keep_for_again(
    options: CommandOptions, project: Project, environment: ProcessEnvironment, target: Target, workload: str
) -> None:
    """Keep what the same command line needs the next time; nothing where more is needed than an entry can hold."""
    from shipit.shortcut.entries import write_entry
    from shipit.shortcut.project_inputs import entry_of
    from shipit.targets.verbs import pins

    before, command = _parted(sys.argv[1:])
    # Words on the other side of `--` that belong to the command, or to shipit, are not in the name of the entry.
    if (
        before[:1] != (NAME,)
        or command != tuple(options.command or ())
        or not pins(target)
        or environment.in_ci
        or not _is_plain(options)
    ):
        return
    if (pinned := target.pinned(workload)) is None:
        return
    if (entry := entry_of(before, project, environment, target.kind.name, pinned)) is not None:
        try:
            write_entry(before, entry._replace(has_terminal=options.tty), environment)
        except OSError:
            return


def _parted(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words before `--`, and those behind it."""
    if SEPARATOR not in words:
        return (), ()
    at = list(words).index(SEPARATOR)
    return tuple(words[:at]), tuple(words[at + 1 :])


def _is_plain(options: CommandOptions) -> bool:
    """True when no option is given but those that are in the words of the entry, and those that change nothing."""
    from dataclasses import fields

    free = ("workload", "command", "environment", "tty", "interactive")
    given = [own.name for own in fields(options) if own.name not in free and getattr(options, own.name) != own.default]
    return not given
