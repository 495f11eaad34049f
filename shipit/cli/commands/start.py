"""`shipit start`."""

from __future__ import annotations

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TimeoutOption, WaitOption, WorkloadOptions, YesOption, wait_of
from shipit.cli.stopping import stop_or_start

HELP = """Starts the containers of services that were stopped last, and waits until they are healthy. For Docker hosts and Compose projects."""
EXAMPLES = ("shipit start hosts/worker",)


def run(
    options: WorkloadOptions, timeout: TimeoutOption = None, yes: YesOption = False, wait: WaitOption = None
) -> None:
    with exit_on_error(options.verbose, options.output):
        raise SystemExit(stop_or_start(options, "start", timeout, wait_of(wait), yes=yes))
