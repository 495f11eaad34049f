"""How a command ends: signals, errors and exit codes."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from shipit.clock import Clock
from shipit.errors import Interrupted, ShipitError
from shipit.process import end_programs
from shipit.report.problems import annotation_lines, failure_data


@contextmanager
def cancelling(clock: Clock) -> Iterator[None]:
    """SIGINT and SIGTERM cancel the run; a second one ends the process at once."""

    def handle(number: int, frame: Any) -> None:
        if clock.cancel.is_set():
            end_programs()
            os._exit(Interrupted.exit_code)
        clock.cancel.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending(verbose: bool, output: str = "auto") -> Iterator[None]:
    """Turns how a command went into its exit code: errors are printed to stderr, whole, and never as a stack.

    With the output `json` they are data on stdout, too, and with `github` annotations.
    """
    try:
        yield
    except Interrupted as error:
        # Threads may still wait on the network; nothing they could do matters now.
        print(error.render(), file=sys.stderr, flush=True)
        sys.stdout.flush()
        end_programs()
        os._exit(error.exit_code)
    except ShipitError as error:
        if output == "json" and not error.is_told:
            print(json.dumps(failure_data(error)), flush=True)
        elif output == "github":
            print("\n".join(annotation_lines(error, "error")), flush=True)
        fail(error)
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except OSError as error:
        if verbose:
            traceback.print_exc()
        fail(_of_system(error))
    except Exception as error:
        if verbose:
            traceback.print_exc()
        hint = "" if verbose else "; run it again with -v for the stack, and report it"
        print(f"this is a mistake in shipit: {type(error).__name__}: {error}{hint}", file=sys.stderr)
        raise typer.Exit(1) from None


def _of_system(error: OSError) -> ShipitError:
    """What the machine could not do, where no room has words for it."""
    hints = {
        errno.ENOSPC: "make room, or set SHIPIT_CACHE_DIR to another disk",
        errno.EDQUOT: "make room, or set SHIPIT_CACHE_DIR to another disk",
        errno.EMFILE: "allow more open files: ulimit -n",
    }
    where = str(error.filename or "standard output")
    what = (error.strerror or str(error)).lower()
    return ShipitError(what, where=where, hint=hints.get(error.errno or 0, f"check {where}, and its permissions"))


def fail(error: ShipitError) -> NoReturn:
    print(error.render(), file=sys.stderr, flush=True)
    raise typer.Exit(error.exit_code)
