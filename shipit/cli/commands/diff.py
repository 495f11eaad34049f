"""`shipit diff`."""

from __future__ import annotations

from typing import Annotated

from shipit.cli.completion import complete_runs
from shipit.cli.declared import argument
from shipit.cli.exits import exit_on_error
from shipit.cli.options import ProjectOptions, TargetOption, target_options
from shipit.cli.printing import check_written, result_lines
from shipit.cli.runs import targets_run

HELP = """Compares two releases as the targets recall them: images, settings and objects. The values of secrets are compared by keyed
hashes. What a deploy would change is what shipit plan shows."""
EXAMPLES = ("shipit diff 3f9c 77ab", "shipit diff v41 v42 -t heroku", "shipit diff 3f9c 77ab --output json")

_Release = argument(
    metavar="RUN|VERSION",
    help="A release: the run that made it, or the place's name for it.",
    completes=complete_runs,
)


def run(
    options: ProjectOptions,
    before: Annotated[str, _Release],
    after: Annotated[str, _Release],
    target: TargetOption = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.pipeline.compare import compare
        from shipit.report.history_text import render_diffs

        selected = target_options(options, target or [])
        with targets_run(selected, shows_plan=False, is_live=False, for_deploy=False) as run:
            run.read_near_secrets()
            found = compare(run, before, after)
            if options.output == "json":
                check_written()
                return
            result_lines(render_diffs(run.redactor.value(found)))
