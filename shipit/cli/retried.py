"""`shipit deploy --retry`: the options, for the targets that are left."""

from __future__ import annotations

from dataclasses import replace

from shipit.cli.options import ChangeOptions
from shipit.cli.runs import load
from shipit.errors import UsageError


def for_retry(options: ChangeOptions, *, has_plan: bool) -> tuple[ChangeOptions, str]:
    """The options for the targets that are left, and a warning, which may be empty. Raises: UsageError, ShipitError."""
    from shipit.history.past import read_runs
    from shipit.pipeline.releases import MOST_RUNS
    from shipit.pipeline.retry import other_commits, targets_to_retry

    if options.selected or has_plan:
        other = "--plan" if has_plan else "TARGET"
        raise UsageError(f"--retry chooses the targets itself: give it without {other}", hint="shipit deploy --retry")
    project, _ = load(options)
    if not project.keeps_state:
        raise UsageError("--retry needs the runs of this machine, and state: none keeps none", hint="name the targets")
    wanted = (project.app, project.environment)
    runs, _ = read_runs(project.root, MOST_RUNS, lambda past: (past.app, past.environment) == wanted)
    retry = targets_to_retry(runs, tuple(project.targets))
    return replace(options, targets=list(retry.targets)), other_commits(retry, project.git.sha or "")
