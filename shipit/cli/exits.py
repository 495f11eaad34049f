"""How a command ends: signals, errors and exit codes."""

from __future__ import annotations

import contextlib
import errno
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from shipit.cli import signals
from shipit.cli.printing import REDACTOR, fitted, note, note_error
from shipit.clock import Clock
from shipit.errors import Interrupted, ShipitError
from shipit.printable import printable_line


@contextmanager
def cancelling(clock: Clock) -> Iterator[None]:
    """SIGINT and SIGTERM cancel the run; a second one, or a second later, ends the process."""
    with signals.on_signal(clock.cancel.set):
        yield


def prompt(question: str, *, default: str | None = None, hide_input: bool = False) -> str:
    """The line typed at the terminal. Raises: Interrupted."""
    with _asking():
        return str(typer.prompt(printable_line(question), default=default, hide_input=hide_input, err=True))


def confirm(question: str, *, default: bool = False) -> bool:
    """True when yes is typed at the terminal. Raises: Interrupted."""
    with _asking():
        return typer.confirm("\n".join(fitted(printable_line(question))), default=default, err=True)


@contextmanager
def _asking() -> Iterator[None]:
    """At a question a signal raises at once, so that the terminal gets its echo back. Raises: Interrupted."""
    try:
        with signals.on_signal(signals.raise_interrupt):
            yield
    except (KeyboardInterrupt, typer.Abort):
        raise Interrupted from None


@contextmanager
def exit_on_error(verbose: bool, output: str = "auto") -> Iterator[None]:
    """Turns how a command went into its exit code: errors are printed to stderr, whole, and never as a stack.

    With the output `json` they are data on stdout, too, and with `github` annotations.
    """
    try:
        with signals.on_signal(signals.leave), _errors_told(verbose, output):
            yield
    except Interrupted:
        # Threads may still wait on the network; nothing they could do matters now.
        signals.leave()


@contextmanager
def _errors_told(verbose: bool, output: str) -> Iterator[None]:
    try:
        yield
    except Interrupted:
        raise
    except ShipitError as error:
        _fail(error, output)
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        # Whoever read the result has seen enough.
        raise typer.Exit(1) from None
    except OSError as error:
        if verbose:
            _note_stack()
        _fail(_of_system(error), output)
    except Exception as error:
        from shipit.cli.internal_error import internal_error

        if verbose:
            _note_stack()
        _fail(internal_error(error, verbose=verbose), output)


def _fail(error: ShipitError, output: str) -> NoReturn:
    REDACTOR.error(error)
    if output == "json" and not error.is_told:
        from shipit.cli.printing import result_event
        from shipit.report.problems import failure_of

        # Where nobody can be told there, the exit code and stderr still say it.
        with contextlib.suppress(OSError):
            result_event(failure_of(error))
    elif output == "github":
        from shipit.report.problems import annotation_lines
        from shipit.report.stream import as_is, write_lines

        write_lines(as_is(sys.stdout), annotation_lines(error, "error"))
    note_error(error)
    raise typer.Exit(error.exit_code)


def _note_stack() -> None:
    for line in traceback.format_exc().splitlines():
        note(line)


def _of_system(error: OSError) -> ShipitError:
    """What the machine could not do, where no room has words for it."""
    room = (
        "make room, or set SHIPIT_CACHE_DIR to another disk" if error.filename else "make room where it is written to"
    )
    hints = {errno.ENOSPC: room, errno.EDQUOT: room, errno.EMFILE: "allow more open files: ulimit -n"}
    where = str(error.filename or "standard output")
    what = (error.strerror or str(error)).lower()
    return ShipitError(what, where=where, hint=hints.get(error.errno or 0, f"check {where}, and its permissions"))
