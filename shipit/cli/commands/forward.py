"""`shipit forward`."""

from __future__ import annotations

from contextlib import ExitStack

from shipit.cli.exits import exit_on_error
from shipit.cli.options import ForwardOptions
from shipit.cli.printing import check_written, result
from shipit.cli.runs import workload_run
from shipit.errors import Interrupted, UsageError

HELP = """Listens on ports of this machine's loopback address and connects each connection to a pod of the workload,
through the API server, or to a container on a Docker host or of a Compose project. A port is that of a Service of the pod, or else the pod's own. LOCAL 0 takes a free port. When
the pod is gone, new connections go to another one. Ctrl-C ends it."""
EXAMPLES = (
    "shipit forward k8s/web 8080:80",
    "shipit forward k8s/db 5432",
    "shipit forward k8s/web 0:80 9090",
)


def run(options: ForwardOptions) -> None:
    with (
        exit_on_error(options.verbose, options.output),
        workload_run(options, options.workload, "forward") as (run, target, find),
        ExitStack() as open_until_the_end,
    ):
        from shipit.cli.forwarding import HOST, listen, parse_pair, serve
        from shipit.events import Forwarding, Warned
        from shipit.targets.verbs import forwards
        from shipit.targets.workload import WorkloadName, lacks

        if not forwards(target):
            raise lacks(target, "forward")
        if not options.ports:
            raise UsageError("there is no port", hint="write LOCAL:REMOTE, for example 8080:80")
        pairs, workload = [parse_pair(text) for text in options.ports], find()
        ports = target.ports(workload, run.session())
        for pair in pairs:
            ports.check(pair.remote)
        listeners = [(open_until_the_end.enter_context(listen(pair)), pair) for pair in pairs]
        for listener, pair in listeners:
            local = f"{HOST}:{listener.getsockname()[1]}"
            run.emit(Forwarding(target.name, workload, local, pair.remote))
            if options.output != "json":
                result(f"{local} -> {WorkloadName(target.name, workload)}:{pair.remote}")
            check_written()
        try:
            serve(listeners, ports, run.clock, lambda error: run.emit(Warned(target.name, str(error))))
        except Interrupted as end:
            # The only way to end it: nothing is said.
            raise SystemExit(end.exit_code) from None
