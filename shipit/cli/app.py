"""The program's own options, and its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from shipit import __version__
from shipit.cli.group import CommandGroup

app = typer.Typer(
    name="shipit",
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import os
        import sys

        from shipit.cli.exits import exit_on_error
        from shipit.cli.printing import result

        system, python = os.uname(), sys.version_info
        version = f"{python.major}.{python.minor}.{python.micro}"
        with exit_on_error(False):
            result(f"shipit {__version__} (Python {version}, {system.sysname} {system.machine})")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the versions of shipit and Python."),
    ] = False,
) -> None:
    """Deploy one image to registries, Heroku, Kubernetes, Docker hosts, Compose and Swarm from one deploy.yml, and verify it."""
