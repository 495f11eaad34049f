"""Statistics of runs by command: their number, their ends and their times. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from shipit.past_run import CommandStatistics, PastRun


def command_statistics(runs: Iterable[PastRun]) -> tuple[CommandStatistics, ...]:
    """One value for each command, the one with the most runs first. A run that goes on is left out."""
    ended: dict[str, list[PastRun]] = {}
    for run in runs:
        if run.state != "running":
            ended.setdefault(run.command, []).append(run)
    found = (_of_command(command, own) for command, own in ended.items())
    return tuple(sorted(found, key=lambda own: (-own.runs, own.command)))


def _of_command(command: str, runs: list[PastRun]) -> CommandStatistics:
    failed = sum(run.state == "failed" for run in runs)
    took = [run.elapsed_s for run in runs if run.elapsed_s is not None]
    return CommandStatistics(
        command, len(runs), failed, round(median(took), 3) if took else None, max(took, default=None)
    )
