"""`shipit exec` and `shipit logs` given again: begun without typer and without reading deploy.yml, where nothing of it has changed.

What is unusual, and every error before the first output, is left to the usual way, which tells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shipit.cli.printing import read_environment
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import UsageError
from shipit.shortcut.entries import Entry, read_entry, write_entry

if TYPE_CHECKING:
    from shipit.cli.options import ProjectOptions
    from shipit.config.project import Project


def find_entry(words: Sequence[str]) -> tuple[Entry, ProcessEnvironment] | None:
    """The entry of a command line, with the process environment, whose redactor masks what the entry holds back."""
    try:
        environment = read_environment()
    except UsageError:
        return None
    if environment.in_ci or (entry := read_entry(words, environment)) is None:
        return None
    environment.redactor.add(environment.variables[name] for name in entry.held if name in environment.variables)
    return entry, environment


def keep_entry(
    words: tuple[str, ...],
    project: Project,
    environment: ProcessEnvironment,
    kind: str,
    pinned: dict[str, object] | None,
    options: dict[str, object],
) -> None:
    """Keep what the same command line needs the next time; nothing where more is needed than an entry can hold."""
    from shipit.shortcut.project_inputs import entry_of

    if pinned is None or environment.in_ci:
        return
    if (entry := entry_of(words, project, environment, kind, pinned, options)) is not None:
        try:
            write_entry(words, entry, environment)
        except OSError:
            return


def has_only(options: ProjectOptions, *free: str) -> bool:
    """True when no other option is given than those that are named: these change nothing, or are in what is kept."""
    from dataclasses import fields

    given = [own.name for own in fields(options) if getattr(options, own.name) != own.default]
    return set(given) <= set(free)


def exit_code_of_error(error: Exception, output: str = "auto", *, is_own: bool = False) -> int:
    """Print an error as every command does; the exit code.

    With `is_own` it is 125 in place of 1, which may be that of a command in a workload.
    """
    from contextlib import nullcontext

    from shipit.cli.attached import own_exit_code
    from shipit.cli.exits import exit_on_error

    try:
        with exit_on_error(False, output), own_exit_code() if is_own else nullcontext():
            raise error
    except SystemExit as end:
        return int(end.code or 0)
