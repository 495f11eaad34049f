"""The logs of workloads, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from shipit.errors import UsageError
from shipit.pipeline.log_lines import tell_lines
from shipit.pipeline.run import Run
from shipit.pipeline.telling import tell_warnings
from shipit.targets.base import Target
from shipit.targets.log_query import LogQuery
from shipit.targets.verbs import HasLogs, has_logs


def show_logs(
    run: Run, chosen: Mapping[str, Sequence[str]], wanted: LogQuery, check_reader: Callable[[], None]
) -> None:
    """Emit the log lines of the chosen workloads: target -> workloads. `check_reader` is called after each, and in silence.

    Raises: ShipitError; Interrupted where the user ends it.
    """
    tell_warnings(run.project, run.emit)
    sources = [
        partial(target.logs, workload, wanted, replace(run.session(target), deadline_s=float("inf")))
        for target in loggable(run.targets, chosen)
        for workload in chosen[target.name]
    ]
    tell_lines(run, sources, wanted, check_reader)


def loggable(targets: Sequence[Target], chosen: Mapping[str, Sequence[str]]) -> list[HasLogs]:
    """The targets of the chosen workloads. Raises: UsageError for one whose kind has no logs."""
    if not chosen:
        raise UsageError(
            "no target here runs anything", hint="a registry only keeps images: add another target, or name another -e"
        )
    found: list[HasLogs] = []
    for target in targets:
        if target.name not in chosen:
            continue
        if not has_logs(target):
            hint = "read them where it runs"
            raise UsageError(f"{target.name} has no logs: its kind, {target.kind.name}, keeps none", hint=hint)
        found.append(target)
    return found
