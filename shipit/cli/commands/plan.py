"""`shipit plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TargetOptions
from shipit.cli.printing import result
from shipit.cli.runs import targets_run

HELP = "Builds what has to be built and reads every target. Nothing is pushed, released or applied."
EXAMPLES = ("shipit plan", "shipit plan k8s -e staging", "shipit plan --full", "shipit plan --exit-code")


def run(
    options: TargetOptions,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 when there are changes.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show every line of each change.")] = False,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.pipeline.flow import plan
        from shipit.report.plan_text import render_plan

        with targets_run(options, shows_plan=False) as run:
            preparation = plan(run)
        if options.output != "json":
            result(render_plan(run.redactor.value(preparation.plan), full=full))
        if exit_code and preparation.plan.changes:
            raise typer.Exit(3)
