"""`shipit show`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from shipit.cli.completion import complete_runs
from shipit.cli.declared import argument
from shipit.cli.exits import exit_on_error
from shipit.cli.options import ProjectOptions
from shipit.cli.printing import REDACTOR, check_written, result_json, result_lines
from shipit.cli.runs import load, running
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.config.process_environment import ProcessEnvironment
    from shipit.config.project import Project

HELP = """Shows a run that `shipit history` lists: its end, then its plan and what it told, as it was kept on this machine.
With --output json, its events. Of a run that another machine made, and of a version such as v12 of Heroku, it shows what the targets tell."""
EXAMPLES = ("shipit show 3f9c", "shipit show v12", "shipit show 3f9c2ab41d77 --output json")


def run(
    options: ProjectOptions,
    name: Annotated[
        str,
        argument(
            metavar="RUN|VERSION",
            help="The id of a run, or the beginning of it; or the place's name for a release.",
            completes=complete_runs,
        ),
    ],
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.envelope import envelope_to_json
        from shipit.history.past import read_run
        from shipit.report.history_text import render_run
        from shipit.report.plain import PlainReporter
        from shipit.targets.kinds import load_steps

        load_steps()
        project, environ = load(options, for_deploy=False)
        try:
            found, events = read_run(project.root, name)
        except UsageError as error:
            own = _elsewhere(options, project, environ, name, error)
            if not own:
                return
            found, events = read_run(project.root, own)
        if options.output == "json":
            for envelope in events:
                result_json(REDACTOR.value(envelope_to_json(envelope)))
            return
        result_lines(render_run(REDACTOR.value(found)))
        show = PlainReporter(sys.stdout, sys.stdout)
        for envelope in events:
            show(envelope._replace(event=REDACTOR.value(envelope.event)))


def _elsewhere(
    options: ProjectOptions, project: Project, environ: ProcessEnvironment, name: str, error: UsageError
) -> str:
    """Show a release that only the targets know, or give the run of this machine that made it. Raises: `error` for neither."""
    from shipit.events import RunsListed
    from shipit.history.past import run_names
    from shipit.pipeline.past_runs import find_runs
    from shipit.report.history_text import render_release

    if not project.targets:
        raise error
    with running(project, environ, options, tuple(project.targets), shows_plan=False, is_live=False) as run:
        run.read_near_secrets()
        found = find_runs(run, name)
        if not found:
            raise error
        kept = run_names(project.root)
        if own := next((past.run for past in found if past.run in kept), ""):
            return own
        run.emit(RunsListed(found))
        if options.output == "json":
            check_written()
            return ""
        for past in run.redactor.value(found):
            result_lines(render_release(past))
    return ""
