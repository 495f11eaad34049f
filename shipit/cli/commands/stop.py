"""`shipit stop`."""

from __future__ import annotations

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TimeoutOption, WaitOption, WorkloadOptions, YesOption, wait_of
from shipit.cli.stopping import stop_or_start

HELP = """Stops the containers of services, with their grace time, and keeps them: `shipit start` and the next deploy start them again. For
Docker hosts and Compose projects. What has a number of instances elsewhere is stopped by `shipit scale TARGET/WORKLOAD=0`."""
EXAMPLES = ("shipit stop hosts/worker", "shipit stop hosts --yes")


def run(
    options: WorkloadOptions, timeout: TimeoutOption = None, yes: YesOption = False, wait: WaitOption = None
) -> None:
    with exit_on_error(options.verbose, options.output):
        raise SystemExit(stop_or_start(options, "stop", timeout, wait_of(wait), yes=yes))
