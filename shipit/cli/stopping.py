"""Stops or starts the services of targets, for `shipit stop` and `shipit start`."""

from __future__ import annotations

from functools import partial
from typing import Literal

from shipit.cli.options import WorkloadOptions
from shipit.cli.runs import workloads_run
from shipit.errors import UsageError


def stop_or_start(
    options: WorkloadOptions, verb: Literal["stop", "start"], timeout: str | None, wait_s: float, *, yes: bool
) -> int:
    """The exit code. Raises: ShipitError."""
    from shipit.pipeline.change import Change, change
    from shipit.targets.orders import StopOrder
    from shipit.targets.verbs import stops
    from shipit.targets.workload import lacks

    with workloads_run(options, verb, timeout=timeout, yes=yes, keeps_journal=True) as (run, chosen):
        changes = []
        for target in run.targets:
            if target.name not in chosen:
                continue
            if not stops(target):
                raise lacks(target, verb)
            order = StopOrder(chosen[target.name])
            plan, judge = (
                (target.plan_stop, target.judge_stop) if verb == "stop" else (target.plan_start, target.judge_start)
            )
            changes.append(Change(target, partial(plan, order), partial(judge, order)))
        if not changes:
            raise UsageError(f"no target here runs anything that shipit {verb} is for")
        run.wait_s = wait_s
        return change(run, verb, changes)
