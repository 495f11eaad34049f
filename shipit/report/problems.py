"""Errors and warnings as data, and as annotations of GitHub Actions. Pure.

Source: GitHub Actions, "Workflow commands", `::error file=,line=,col=::`.
"""

from __future__ import annotations

import re
from typing import Literal

from shipit.errors import ConfigError, ShipitError
from shipit.events import Problem, RunFailed
from shipit.printable import printable_text
from shipit.report.text import error_lines

Severity = Literal["error", "warning"]
_PLACE = re.compile(
    r"(?P<file>[^:]+(?:/|\.|Dockerfile)[^:]*|Dockerfile):(?P<line>[0-9]{1,9})(?::(?P<column>[0-9]{1,9}))?"
)


def each_of(error: ShipitError) -> tuple[ShipitError, ...]:
    """The single errors that an error consists of, in their order; itself when it is one."""
    return tuple(one for inner in error.parts for one in each_of(inner)) if error.parts else (error,)


def problem_of(error: ShipitError, severity: Severity) -> Problem:
    """One error as data."""
    path = error.path if isinstance(error, ConfigError) else ""
    place = _place(error)
    return Problem(severity, error.what, error.where, *place, path, error.hint, error.detail, error.retryable)


def _place(error: ShipitError) -> tuple[str | None, int | None, int | None]:
    """File, line and column of an error; None where it has none."""
    if isinstance(error, ConfigError) and error.position != (0, 0):
        return error.file, *error.position
    place = _PLACE.fullmatch(error.where)
    if not place:
        return None, None, None
    return place["file"], int(place["line"]), int(place["column"]) if place["column"] else None


def failure_of(error: ShipitError) -> RunFailed:
    """The event that ends a run which failed with an error."""
    problems = tuple(problem_of(problem, "error") for problem in each_of(error))
    return RunFailed(error.exit_code, "\n".join(error_lines(error)), problems)


def annotation_lines(error: ShipitError, severity: Severity) -> list[str]:
    """`::error file=...::` for each single error, at its line if it has one."""
    lines = []
    for problem in each_of(error):
        data = problem_of(problem, severity)
        places = {"file": data.file, "line": data.line, "col": data.column}
        properties = ",".join(f"{key}={_property(str(value))}" for key, value in places.items() if value is not None)
        text = ": ".join(part for part in (data.path, "" if data.file else data.where, data.what) if part)
        hint = f"\nhint: {data.hint}" if data.hint else ""
        lines.append(f"::{severity}{' ' if properties else ''}{properties}::{_escaped(text + hint)}")
    return lines


def _escaped(text: str) -> str:
    return printable_text(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
