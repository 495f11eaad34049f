"""From signals and errors to exit codes, and questions at a terminal."""

from __future__ import annotations

import contextlib
import errno
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from shipit.cli import signals
from shipit.cli.printing import REDACTOR, fitted, note, note_error
from shipit.clock import Clock
from shipit.errors import Interrupted, ShipitError
from shipit.printable import printable_line


@contextmanager
def cancelling(clock: Clock) -> Iterator[None]:
    """The first signal cancels the run. The process ends at a second signal, or when the run has not ended after GRACE_S."""
    with signals.on_signal(clock.cancel.set):
        yield


def prompt(question: str, *, default: str | None = None, hide_input: bool = False) -> str:
    """The line typed at the terminal. Raises: Interrupted."""
    import typer

    with _asking():
        return str(typer.prompt(printable_line(question), default=default, hide_input=hide_input, err=True))


def confirm(question: str, *, default: bool = False) -> bool:
    """True when yes is typed at the terminal. Raises: Interrupted."""
    import typer

    with _asking():
        return typer.confirm("\n".join(fitted(printable_line(question))), default=default, err=True)


def can_ask() -> bool:
    """Whether somebody can be asked: stdin and stderr are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def _asking() -> Iterator[None]:
    """During a question a signal raises at once, so that the terminal's echo is restored. Raises: Interrupted."""
    import typer

    try:
        with signals.on_signal(signals.raise_interrupt):
            yield
    except (KeyboardInterrupt, typer.Abort):
        # The next output starts on a line of its own, below the question.
        note("")
        raise Interrupted("interrupted before the question was answered", hint="") from None


@contextmanager
def exit_on_error(verbose: bool, output: str = "auto") -> Iterator[None]:
    """Print an error of the block to stderr and exit with its code; never print a traceback unless `verbose`.

    With output `json` the error is also an event on stdout, with `github` an annotation. Raises: SystemExit.
    """
    try:
        with signals.on_signal(signals.leave), _errors_printed(verbose, output):
            yield
    except Interrupted as error:
        # Threads may still wait for the network: do not wait for them.
        signals.leave(error)


@contextmanager
def _errors_printed(verbose: bool, output: str) -> Iterator[None]:
    try:
        yield
    except Interrupted:
        raise
    except ShipitError as error:
        fail(error, output)
    except BrokenPipeError:
        # The reader of stdout has closed it.
        raise SystemExit(1) from None
    except OSError as error:
        if verbose:
            _print_traceback()
        fail(_system_error(error), output)
    except Exception as error:
        from shipit.cli.internal_error import internal_error

        if verbose:
            _print_traceback()
        fail(internal_error(error, verbose=verbose), output)


def fail(error: ShipitError, output: str) -> NoReturn:
    """Print an error to stderr, with output `json` or `github` to stdout as well. Raises: SystemExit with its code."""
    REDACTOR.error(error)
    if output == "json" and not error.is_told:
        from shipit.cli.printing import result_event
        from shipit.report.problems import failure_of

        # If stdout can't be written, stderr and the exit code still report the error.
        with contextlib.suppress(OSError):
            result_event(failure_of(error))
    elif output == "github":
        from shipit.report.problems import annotation_lines
        from shipit.report.stream import as_is, write_lines

        write_lines(as_is(sys.stdout), annotation_lines(error, "error"))
    note_error(error)
    raise SystemExit(error.exit_code)


def _print_traceback() -> None:
    for line in traceback.format_exc().splitlines():
        note(line)


def _system_error(error: OSError) -> ShipitError:
    """An OSError that no room has translated."""
    room = (
        "make room, or set SHIPIT_CACHE_DIR to another disk" if error.filename else "make room where it is written to"
    )
    hints = {errno.ENOSPC: room, errno.EDQUOT: room, errno.EMFILE: "allow more open files: ulimit -n"}
    where = str(error.filename or "standard output")
    what = (error.strerror or str(error)).lower()
    return ShipitError(what, where=where, hint=hints.get(error.errno or 0, f"check {where}, and its permissions"))
