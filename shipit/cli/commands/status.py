"""`shipit status`."""

from __future__ import annotations

from functools import partial

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TargetOptions
from shipit.cli.printing import check_written, result
from shipit.cli.runs import targets_run

HELP = "Reads every target and changes nothing."
EXAMPLES = ("shipit status", "shipit status k8s --output json")


def run(options: TargetOptions) -> None:
    with exit_on_error(options.verbose, options.output), targets_run(options) as run:
        from shipit.events import StatusRead
        from shipit.parallel import together
        from shipit.pipeline.prepare import observe_target
        from shipit.report.status_text import render_status

        calls = {target.name: partial(observe_target, run, target) for target in run.targets}
        observed = together(calls, run.clock)
        found = tuple(target.describe(observed[target.name]) for target in run.targets)
        run.emit(StatusRead(found))
        if options.output == "json":
            check_written()
            return
        for status in found:
            for line in render_status(run.redactor.value(status)):
                result(line)
