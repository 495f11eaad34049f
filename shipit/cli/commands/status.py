"""`shipit status`."""

from __future__ import annotations

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TargetOptions
from shipit.cli.printing import check_written, result
from shipit.cli.runs import targets_run

HELP = "Reads every target and changes nothing."
EXAMPLES = ("shipit status", "shipit status k8s --output json")


def run(options: TargetOptions) -> None:
    with exit_on_error(options.verbose, options.output), targets_run(options) as run:
        from shipit.pipeline.prepare import read_status
        from shipit.report.status_text import render_status

        found = read_status(run)
        if options.output == "json":
            check_written()
            return
        for status in found:
            for line in render_status(run.redactor.value(status)):
                result(line)
