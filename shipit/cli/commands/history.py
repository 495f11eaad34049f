"""`shipit history`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.options import TargetOptions
from shipit.cli.printing import REDACTOR, check_written, result, result_event, result_lines
from shipit.cli.runs import load, running
from shipit.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipit.config.process_environment import ProcessEnvironment
    from shipit.config.project import Project
    from shipit.past_run import PastRun

HELP = """Lists the runs of this project, the newest first, and marks what runs now: those that this machine keeps in .shipit/ (deploy,
promote, push, scale, restart, stop, start, rollback, prune and destroy, where they changed something), and the releases that the targets themselves list, of any
machine. With -e, or with targets, only what concerns these. --local asks no target, and ends with how often each command
failed and how long it took."""
EXAMPLES = ("shipit history", "shipit history k8s -e staging --limit 5", "shipit history --local --output json")


def run(
    options: TargetOptions,
    limit: Annotated[int, option("--limit", "-n", metavar="N", min=1, help="List at most N runs.")] = 20,
    local: Annotated[bool, option("--local", help="Only the runs that this machine keeps.")] = False,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.pipeline.graph import select_targets

        project, environ = load(options, for_deploy=False)
        # A run of another environment may have had a target that this one leaves out.
        named = project.named(options.selected)
        select_targets(named, dict.fromkeys([*project.targets, *project.left_out]))
        here = [name for name in project.targets if not named or name in named]
        if local or not here:
            _local(options, project, limit)
        else:
            _everywhere(options, project, environ, here, limit)


def _local(options: TargetOptions, project: Project, limit: int) -> None:
    from shipit.events import RunsListed
    from shipit.history.journal import MOST_RUNS
    from shipit.history.statistics import command_statistics
    from shipit.report.history_text import render_statistics

    every, is_more = _runs_of_this_machine(options, project, max(limit, MOST_RUNS))
    runs, is_more = every[:limit], is_more or len(every) > limit
    statistics = command_statistics(every)
    if options.output == "json":
        result_event(RunsListed(runs, is_whole=not is_more, statistics=statistics))
    else:
        _print(REDACTOR.value(runs), limit, is_more)
        result_lines(render_statistics(REDACTOR.value(statistics)))


def _everywhere(
    options: TargetOptions, project: Project, environ: ProcessEnvironment, here: Sequence[str], limit: int
) -> None:
    from shipit.events import RunsListed
    from shipit.history.joined import PlaceHistory, joined
    from shipit.pipeline.releases import MOST_RUNS, known_releases
    from shipit.pipeline.shared_runs import shared_runs, with_shared
    from shipit.pipeline.telling import tell_warnings

    named = project.named(options.selected)
    own, is_more = _runs_of_this_machine(options, project, max(limit, MOST_RUNS))
    with running(project, environ, options, here, shows_plan=False, is_live=False) as run:
        tell_warnings(project, run.emit)
        shared = (past for past in shared_runs(run, project.environment) if _is_about(past, named))
        own = with_shared(own, tuple(shared))
        run.read_near_secrets()
        found = known_releases(run, run.targets, own, limit)
        names = (project.app, project.environment)
        places = [
            PlaceHistory(target.name, target.place.identity, *names, found.get(target.name, ()))
            for target in run.targets
        ]
        every = joined(own, places)
        is_more = is_more or len(every) > limit or any(len(place.releases) == limit for place in places)
        runs = run.redactor.value(every[:limit])
        run.emit(RunsListed(runs, is_whole=not is_more))
        if options.output == "json":
            check_written()
        else:
            _print(runs, limit, is_more)


def _runs_of_this_machine(options: TargetOptions, project: Project, most: int) -> tuple[tuple[PastRun, ...], bool]:
    from shipit.history.past import read_runs

    named = project.named(options.selected)

    def is_wanted(found: PastRun) -> bool:
        is_here = options.environment in (None, found.environment) and found.app == project.app
        return is_here and _is_about(found, named)

    return read_runs(project.root, most, is_wanted)


def _is_about(found: PastRun, named: Sequence[str]) -> bool:
    """True for a run of one of the named targets, and for every run where none is named."""
    return not named or not {target.name for target in found.targets}.isdisjoint(named)


def _print(runs: Sequence[PastRun], limit: int, is_more: bool) -> None:
    from shipit.report.history_text import render_runs

    result_lines(render_runs(runs, Clock().wall_s()))
    if is_more:
        result(f"older runs are left out: shipit history --limit {limit * 5}")
