"""Output of commands outside of a run: redacted, escaped, then written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from shipit.config.process_environment import ProcessEnvironment, read_process_environment
from shipit.errors import ShipitError
from shipit.printable import inert_line, printable_line, printable_text
from shipit.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipit.events import Event

# The redactor of the process: every credential that is read is added to it.
REDACTOR = Redactor()


def read_environment(is_untrusted: bool = False) -> ProcessEnvironment:
    """The environment of the process, with its redactor."""
    return read_process_environment(REDACTOR, is_untrusted=is_untrusted)


def say(text: str) -> None:
    """Print a line for people to stdout. An error of stdout is ignored."""
    _print(sys.stdout, inert_line(printable_line(REDACTOR.text(text))))


def note(text: str) -> None:
    """Print a line for people to stderr."""
    for line in fitted(printable_line(REDACTOR.text(text))):
        _print(sys.stderr, inert_line(line))


def note_error(error: ShipitError, before: str = "") -> None:
    """Print an error to stderr; `before` precedes its first line."""
    from shipit.report.text import error_lines

    first, *more = error_lines(REDACTOR.error(error))
    for line in (before + first, *more):
        # Details are lines of a file or a log: they are not wrapped, so that carets stay in place.
        parts = [line] if line.startswith("  ") else fitted(line)
        for part in parts:
            _print(sys.stderr, inert_line(part))


def fitted(line: str) -> list[str]:
    """The line, wrapped with a hanging indent if stderr is a terminal."""
    if not sys.stderr.isatty():
        return [line]
    import shutil

    from shipit.report.text import hung

    return hung(line, shutil.get_terminal_size().columns)


def result(text: str) -> None:
    """Print a result to stdout, escaped and not redacted. Raises: OSError when it can't be written."""
    _print(sys.stdout, printable_text(text))
    check_written()


def result_lines(lines: Iterable[str]) -> None:
    """Print a result for people, line by line, with nothing that a CI system would take for a command. Raises: OSError."""
    for line in lines:
        result(inert_line(printable_line(line)))


def page(text: str) -> None:
    """Print text of shipit's own that is rendered for the terminal: its escape sequences are kept."""
    from shipit.report.stream import as_is, write_lines

    write_lines(as_is(sys.stdout), text.splitlines())


def _print(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def result_json(data: Any, *, indent: int | None = None) -> None:
    """A result as JSON. Raises: OSError when it can't be written."""
    from shipit.report.json_lines import to_json

    result(to_json(data, indent=indent))


def result_event(event: Event) -> None:
    """The result of a command without a run, as the one line of --output json. Raises: OSError when it can't be written."""
    from shipit.clock import Clock
    from shipit.envelope import Sealer, envelope_to_json

    result_json(envelope_to_json(Sealer()(REDACTOR.value(event), Clock().wall_s())))


def check_written() -> None:
    """Raises: OSError when the last result could not be written."""
    lost: OSError | None = getattr(sys.stdout, "lost", None)
    if lost:
        raise lost


def check_reader() -> None:
    """The same, also when nothing was written since the reader of a pipe closed it. Raises: OSError."""
    check_written()
    if getattr(sys.stdout, "is_left", False):
        raise BrokenPipeError
