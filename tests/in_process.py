"""Commands of shipit in the process of the tests: for tables of many cases, a tenth of the time that a program takes.

What belongs to a process is not the same: its streams, its signals, how it ends. Tests of those start the program.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner

from shipit.cli.app import app
from shipit.cli.printing import REDACTOR
from tests.output_schema import check_output
from tests.shipit import Shipit


class InProcess(Shipit):
    """`run` calls the command instead of starting the program; everything else starts it."""

    def run(self, *arguments: str, timeout_s: float = 180, input_text: str = "") -> subprocess.CompletedProcess[str]:
        """`timeout_s` is not kept: nothing can end a call."""
        # Each process has a redactor that knows nothing yet.
        REDACTOR.__init__()  # type: ignore[misc]
        with _inside(self.folder, self.env):
            done = CliRunner().invoke(
                app, list(arguments), input=input_text, prog_name="shipit", catch_exceptions=False
            )
        check_output(arguments, done.stdout)
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


@contextmanager
def _inside(folder: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Work in a folder, with these variables and no others."""
    before, own = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(own)
        os.chdir(before)
