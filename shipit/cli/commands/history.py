"""`shipit history`."""

from __future__ import annotations

from typing import Annotated

import typer

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TargetOptions
from shipit.cli.printing import REDACTOR, result, result_event
from shipit.cli.runs import load
from shipit.clock import Clock

HELP = """Lists the runs of this project that this machine keeps in .shipit/, the newest first: deploy, push, scale, restart and destroy, where
they changed something. What other machines ran is not among them. With -e, or with targets, only what concerns these."""
EXAMPLES = ("shipit history", "shipit history k8s -e staging --limit 5", "shipit history --output json")


def run(
    options: TargetOptions,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="List at most N runs.")] = 20,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.events import RunsListed
        from shipit.history.past import read_runs
        from shipit.past_run import PastRun
        from shipit.pipeline.graph import select_targets
        from shipit.report.history_text import render_runs

        project, _ = load(options, for_deploy=False)
        # A run of another environment may have had a target that this one leaves out.
        select_targets(options.selected, dict.fromkeys([*project.targets, *project.left_out]))

        def is_wanted(found: PastRun) -> bool:
            is_here = options.environment in (None, found.environment) and found.app == project.app
            names = {target.name for target in found.targets}
            return is_here and (not options.selected or not names.isdisjoint(options.selected))

        runs, is_more = read_runs(project.root, limit, is_wanted)
        if options.output == "json":
            result_event(RunsListed(runs, is_whole=not is_more))
            return
        for line in render_runs(REDACTOR.value(runs), Clock().wall_s()):
            result(line)
        if is_more:
            result(f"older runs are left out: shipit history --limit {limit * 5}")
