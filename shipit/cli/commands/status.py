"""`shipit status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.options import TargetOptions
from shipit.cli.printing import check_written, result, result_lines
from shipit.cli.runs import targets_run
from shipit.errors import Interrupted

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

HELP = """Reads every target and changes nothing. Needs no secret, and no variable of env. With --watch it goes on until Ctrl-C, and
prints what runs whenever that has changed. Exits with 1 when a part of a place, such as a host, can't be read."""
EXAMPLES = ("shipit status", "shipit status --watch", "shipit status k8s --output json")
# Seconds between two looks.
_PAUSE_S = 2.0


def run(
    options: TargetOptions,
    watch: Annotated[bool, option("--watch", "-w", help="Go on with what changes, until Ctrl-C.")] = False,
) -> None:
    with exit_on_error(options.verbose, options.output), targets_run(options, is_live=False, for_deploy=False) as run:
        run.read_near_secrets()
        if watch:
            _watch(run, options.output)
            return
        _show(run, options.output)


def _show(run: Run, output: str) -> None:
    from shipit.pipeline.prepare import read_status
    from shipit.report.status_text import render_statuses

    found = read_status(run)
    if output == "json":
        check_written()
    else:
        result_lines(render_statuses(run.redactor.value(found), run.clock.wall_s()))
    if any(status.unread for status in found):
        raise SystemExit(1)


def _watch(run: Run, output: str) -> None:
    from shipit.pipeline.watch import watch_status
    from shipit.report.status_text import render_statuses

    is_first = True
    try:
        for found in watch_status(run, _PAUSE_S):
            if output == "json":
                check_written()
                continue
            if not is_first:
                result("")
            is_first = False
            result_lines(render_statuses(run.redactor.value(found), run.clock.wall_s()))
    except Interrupted as end:
        # The usual way to end it: nothing is said.
        raise SystemExit(end.exit_code) from None
