"""`shipit restart`."""

from __future__ import annotations

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TimeoutOption, WaitOption, WorkloadOptions, YesOption, wait_of
from shipit.cli.runs import workloads_run
from shipit.errors import UsageError

HELP = """Restarts what runs, with the same images and settings, and waits until it is healthy. Kubernetes replaces pods one after
the other, as in a rollout, and Swarm its tasks as in an update; Heroku restarts a quarter of the dynos at a time. Docker
hosts and Compose projects restart one container after the other. An only one restarts while a second one serves, where a
deploy starts the new one first; else it is down meanwhile, and the plan says so."""
EXAMPLES = ("shipit restart", "shipit restart k8s/web heroku")


def run(
    options: WorkloadOptions, timeout: TimeoutOption = None, yes: YesOption = False, wait: WaitOption = None
) -> None:
    with exit_on_error(options.verbose, options.output):
        wait_s = wait_of(wait)
        from datetime import UTC, datetime
        from functools import partial

        from shipit.pipeline.change import Change, change
        from shipit.targets.orders import RestartOrder
        from shipit.targets.verbs import restarts
        from shipit.targets.workload import lacks

        with workloads_run(options, "restart", timeout=timeout, yes=yes, keeps_journal=True) as (run, chosen):
            at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            changes = []
            for target in run.targets:
                if target.name not in chosen:
                    continue
                if not restarts(target):
                    raise lacks(target, "restart")
                order = RestartOrder(chosen[target.name], at)
                changes.append(
                    Change(target, partial(target.plan_restart, order), partial(target.judge_restart, order))
                )
            if not changes:
                raise UsageError("no target here runs anything that can be restarted")
            run.wait_s = wait_s
            code = change(run, "restart", changes)
        raise SystemExit(code)
