"""`shipit show`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from shipit.cli.completion import complete_runs
from shipit.cli.exits import exit_on_error
from shipit.cli.options import ProjectOptions
from shipit.cli.printing import REDACTOR, result, result_json
from shipit.cli.runs import load

HELP = """Shows a run that `shipit history` lists: its end, then its plan and what it told, as it was kept on this machine.
With --output json, its events."""
EXAMPLES = ("shipit show 3f9c", "shipit show 3f9c2ab41d77 --output json")


def run(
    options: ProjectOptions,
    name: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The id of a run, or the beginning of it.", autocompletion=complete_runs),
    ],
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.envelope import envelope_to_json
        from shipit.history.past import read_run
        from shipit.report.history_text import render_run
        from shipit.report.plain import PlainReporter
        from shipit.targets.kinds import load_steps

        load_steps()
        project, _ = load(options, for_deploy=False)
        found, events = read_run(project.root, name)
        if options.output == "json":
            for envelope in events:
                result_json(REDACTOR.value(envelope_to_json(envelope)))
            return
        for line in render_run(REDACTOR.value(found)):
            result(line)
        show = PlainReporter(sys.stdout, sys.stdout)
        for envelope in events:
            show(envelope._replace(event=REDACTOR.value(envelope.event)))
