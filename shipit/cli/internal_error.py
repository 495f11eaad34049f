"""Internal errors: what to report, and a file with the traceback."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import tempfile
import traceback
from pathlib import Path

from shipit import __version__
from shipit.cli.printing import REDACTOR
from shipit.errors import ShipitError


def internal_error(error: Exception, *, verbose: bool) -> ShipitError:
    """The error to show for an unexpected exception: what a report needs, and the file with the traceback."""
    how = "with the stack above" if verbose else "with the output of -v"
    system = os.uname()
    detail = [
        f"error: {type(error).__name__}: {error}",
        f"version: shipit {__version__}, Python {platform.python_version()}, {system.sysname} {system.release} {system.machine}",
        f"command: {shlex.join(['shipit', *sys.argv[1:]])}",
    ]
    if file := _written(error):
        detail.append(f"traceback: {file}")
    return ShipitError(f"internal error; please report it {how}", detail=detail)


def _written(error: Exception) -> Path | None:
    """The file with the redacted traceback, readable by its owner only; None if it can't be written."""
    text = REDACTOR.text("".join(traceback.format_exception(error)))
    try:
        handle, name = tempfile.mkstemp(prefix="shipit-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return Path(name)
