"""Errors and warnings as data, and as annotations of GitHub Actions. Pure.

Source: GitHub Actions, "Workflow commands", `::error file=,line=,col=::`.
"""

from __future__ import annotations

import re
from typing import Any

from shipit.errors import ConfigError, ConfigErrors, ShipitError
from shipit.printable import printable_text
from shipit.report.text import error_lines

_PLACE = re.compile(r"(?P<file>[^:]+(?:/|\.|Dockerfile)[^:]*|Dockerfile):(?P<line>[0-9]+)(?::(?P<column>[0-9]+))?")


def each_of(error: ShipitError) -> tuple[ShipitError, ...]:
    """The single mistakes that an error is made of; itself where it is one."""
    nested: tuple[ShipitError, ...] = (
        error.problems if isinstance(error, ConfigErrors) else getattr(error, "errors", ())
    )
    return tuple(one for inner in nested for one in each_of(inner)) if nested else (error,)


def problem_data(error: ShipitError, severity: str) -> dict[str, Any]:
    """One mistake: file, line and column (None where it has none), path of keys, what, hint and severity."""
    file, line, column = _place(error)
    return {
        "severity": severity,
        "file": file,
        "line": line,
        "column": column,
        "path": error.path if isinstance(error, ConfigError) else "",
        "where": error.where,
        "what": error.what,
        "hint": error.hint,
    }


def _place(error: ShipitError) -> tuple[str | None, int | None, int | None]:
    """File, line and column of a mistake, as far as it has them."""
    if isinstance(error, ConfigError) and error.position != (0, 0):
        return error.file, *error.position
    place = _PLACE.fullmatch(error.where)
    if not place:
        return None, None, None
    return place["file"], int(place["line"]), int(place["column"]) if place["column"] else None


def failure_data(error: ShipitError) -> dict[str, Any]:
    """A failure as the event that ends a run, with its problems."""
    return {
        "event": "run_failed",
        "exit_code": error.exit_code,
        "message": "\n".join(error_lines(error)),
        "problems": [problem_data(problem, "error") for problem in each_of(error)],
    }


def annotation_lines(error: ShipitError, severity: str) -> list[str]:
    """`::error file=...::` for each mistake, at its line where it has one."""
    lines = []
    for problem in each_of(error):
        data = problem_data(problem, severity)
        places = {"file": data["file"], "line": data["line"], "col": data["column"]}
        properties = ",".join(f"{key}={_property(str(value))}" for key, value in places.items() if value is not None)
        text = ": ".join(part for part in (data["path"], "" if data["file"] else data["where"], data["what"]) if part)
        hint = f"\nhint: {data['hint']}" if data["hint"] else ""
        lines.append(f"::{severity}{' ' if properties else ''}{properties}::{_escaped(text + hint)}")
    return lines


def _escaped(text: str) -> str:
    return printable_text(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
