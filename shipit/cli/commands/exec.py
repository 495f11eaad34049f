"""`shipit exec`."""

from __future__ import annotations

from shipit.cli.attached import attach, command_of, own_exit_code
from shipit.cli.exec_again import keep_for_again
from shipit.cli.exits import exit_on_error
from shipit.cli.options import CommandOptions
from shipit.cli.runs import workload_run
from shipit.errors import Interrupted

HELP = """Runs a command in a container that runs already: of the pods or containers of a workload, in one that is ready. The command
gets this terminal when stdin and stdout are one, else the input and output of shipit, byte for byte. Its exit code is
shipit's; 125 is shipit's own failure."""
EXAMPLES = (
    "shipit exec k8s/web -- sh",
    "shipit exec k8s/web -- cat /app/log/production.log > production.log",
    "shipit exec k8s/db -- pg_restore -d shop < shop.dump",
)


def run(options: CommandOptions) -> None:
    with (
        exit_on_error(options.verbose, options.output),
        own_exit_code(),
        workload_run(options, options.workload, "exec") as (run, target, find),
        own_exit_code(),
    ):
        from shipit.targets.verbs import executes
        from shipit.targets.workload import lacks

        command = command_of(options)
        if not executes(target):
            raise lacks(target, "exec")
        workload = find()
        remote = target.execute(workload, command, run.session())
        try:
            keep_for_again(options, run.project, run.environment, target, workload)
            is_json = options.output == "json"
            raise SystemExit(attach(remote, command, run.emit, target.name, run.clock, as_events=is_json))
        except Interrupted as end:
            raise SystemExit(end.exit_code) from None
        finally:
            remote.close()
