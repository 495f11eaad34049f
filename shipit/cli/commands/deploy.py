"""`shipit deploy`."""

from __future__ import annotations

import typer

from shipit.cli.exits import exit_on_error
from shipit.cli.options import ChangeOptions
from shipit.cli.runs import targets_run

HELP = """Exits with 0 when every target runs exactly what was pushed and is healthy. Asks before it changes a protected
target; without a terminal that needs --yes."""
EXAMPLES = ("shipit deploy", "shipit deploy heroku", "shipit deploy -e staging --timeout 5m")


def run(options: ChangeOptions) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.pipeline.flow import deploy

        with targets_run(options, timeout=options.timeout, yes=options.yes, keeps_journal=True) as run:
            code = deploy(run)
        raise typer.Exit(code)
