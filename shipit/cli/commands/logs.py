"""`shipit logs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.logs_again import keep_for_again
from shipit.cli.options import WorkloadOptions
from shipit.cli.printing import check_reader
from shipit.cli.runs import workloads_run
from shipit.config.units import parse_limit
from shipit.errors import Interrupted, UsageError

HELP = """Prints each line as TIME TARGET/INSTANCE | LINE. An instance is POD/CONTAINER on Kubernetes, a dyno on Heroku, else a container or task. Without
--tail and --since, the last 100 lines of each instance are shown. Nothing is changed.

--follow goes on until Ctrl-C: through restarts, new pods and broken connections, without a lost or doubled line. -f is
--follow here: use --file for another deploy.yml. Values of secrets are masked where this machine has them in its environment
or in files."""
EXAMPLES = (
    "shipit logs",
    "shipit logs -f k8s/web",
    "shipit logs --since 10m --tail 500 heroku",
    "shipit logs --previous k8s/web --output json",
)
# Without --tail and --since.
_LINES = 100


@dataclass(frozen=True)
class LogOptions(WorkloadOptions):
    """The same, with -f for --follow, as in other tools."""

    file: Annotated[
        str | None,
        option("--file", metavar="FILE", help="deploy.yml; - is standard input. Default: the nearest one upwards."),
    ] = None
    follow: Annotated[bool, option("--follow", "-f", help="Go on with new lines, until Ctrl-C.")] = False
    since: Annotated[
        str | None, option("--since", metavar="DURATION", help="Only lines that are newer, for example 10m.")
    ] = None
    tail: Annotated[
        int | None,
        option("--tail", metavar="N", min=0, help="The last N lines. Default: 100; all of them with --since."),
    ] = None
    previous: Annotated[bool, option("--previous", "-p", help="The lines of the run before the last restart.")] = False


def run(options: LogOptions) -> None:
    with exit_on_error(options.verbose, options.output):
        if options.follow and options.previous:
            raise UsageError("--previous shows a run that has ended: it can't be followed", hint="leave out -f")
        since_s = _since(options.since)
        with workloads_run(options, "logs", is_live=False) as (run, chosen):
            from shipit.pipeline.logs import show_logs
            from shipit.targets.log_query import LogQuery

            tail = _LINES if options.tail is None and since_s is None else options.tail
            run.read_near_secrets()
            wanted = LogQuery(options.follow, since_s, tail, options.previous)
            keep_for_again(options, run, chosen, wanted)
            try:
                show_logs(run, chosen, wanted, check_reader)
            except Interrupted as end:
                # The usual way to end it: nothing is said.
                raise SystemExit(end.exit_code) from None


def _since(text: str | None) -> float | None:
    try:
        return parse_limit(text) if text else None
    except ValueError as error:
        raise UsageError(f"--since {error}") from None
