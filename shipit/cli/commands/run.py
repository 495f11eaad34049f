"""`shipit run`."""

from __future__ import annotations

from shipit.cli.attached import attach, command_of, own_exit_code
from shipit.cli.exits import exit_on_error
from shipit.cli.options import RunOptions
from shipit.cli.printing import check_written, note, result
from shipit.cli.runs import workload_run
from shipit.errors import Interrupted, UsageError

HELP = """Runs a command once, beside what runs: with the image, the variables, the secrets and the volumes that the
workload has there now. On Kubernetes it is a Job, on Heroku a one-off dyno, on Docker hosts and for Compose a container, in a swarm a job without input; they are
removed when the command has ended. Terminal, input, output and exit code are those of `shipit exec`."""
EXAMPLES = (
    "shipit run heroku -- rails console",
    "shipit run k8s/web -- npm run seed < seeds.json",
    "shipit run --detach --size performance-l heroku/worker -- ./reindex.sh",
)


def run(options: RunOptions) -> None:
    with (
        exit_on_error(options.verbose, options.output),
        own_exit_code(),
        workload_run(options, options.workload, "run") as (run, target, find),
        own_exit_code(),
    ):
        from shipit.events import CommandStarted
        from shipit.targets.verbs import runs_once
        from shipit.targets.workload import lacks

        command = command_of(options)
        if not runs_once(target):
            raise lacks(target, "run")
        session, is_json = run.session(), options.output == "json"
        if options.detach:
            if options.tty:
                raise UsageError("--detach has no terminal", hint="leave out --tty")
            command = command._replace(terminal=None, has_input=False)
            started = target.start_once(find(), command, session, options.size)
            run.emit(CommandStarted(target.name, started.where, started.follow))
            if is_json:
                check_written()
                return
            result(started.where)
            note(f"its output: {started.follow}")
            return
        remote = target.run_once(find(), command, session, options.size)
        try:
            raise SystemExit(attach(remote, command, run.emit, target.name, run.clock, as_events=is_json))
        except Interrupted as end:
            raise SystemExit(end.exit_code) from None
        finally:
            remote.close()
