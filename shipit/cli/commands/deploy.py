"""`shipit deploy`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from shipit.cli.exits import exit_on_error
from shipit.cli.options import ChangeOptions, ImageOptions
from shipit.cli.runs import targets_run
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.history.saved_plan import SavedPlan

HELP = """Exits with 0 when every target runs exactly what was pushed and is healthy. Asks before it changes a protected
target; without a terminal that needs --yes, or a saved plan."""
EXAMPLES = (
    "shipit deploy",
    "shipit deploy heroku",
    "shipit deploy -e staging --timeout 5m",
    "shipit deploy --plan plan.json",
    "shipit deploy --image web=docker.io/user/web@$DIGEST",
    "shipit deploy --wait 10m",
)


def run(
    images: ImageOptions,
    options: ChangeOptions,
    plan: Annotated[
        str | None,
        typer.Option("--plan", metavar="FILE", help="Do what this saved plan says, without a question, or nothing."),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option("--wait", metavar="DURATION", help="Wait so long for another run that holds a lock."),
    ] = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.pipeline.flow import deploy

        wait_s = _seconds(wait) if wait is not None else 0.0
        saved = _saved(plan, untrusted=options.untrusted) if plan is not None else None
        if saved is not None and not options.selected:
            options = replace(options, targets=[target.name for target in saved.targets])
        with targets_run(
            options, timeout=options.timeout, yes=options.yes, keeps_journal=True, changed=images.given
        ) as run:
            code = deploy(run, saved, wait_s)
        raise typer.Exit(code)


def _seconds(wait: str) -> float:
    """Seconds of --wait. Raises: UsageError."""
    from shipit.config.units import parse_limit

    try:
        return parse_limit(wait)
    except ValueError as error:
        raise UsageError(f"--wait {error}") from None


def _saved(file: str, *, untrusted: bool) -> SavedPlan:
    """The saved plan in a file. Raises: UsageError, Unreadable."""
    from pathlib import Path

    from shipit.cli.printing import read_environment
    from shipit.history.saved_plan import read_plan
    from shipit.pipeline.promise import plan_key
    from shipit.targets.kinds import load_steps

    load_steps()
    return read_plan(Path(file), plan_key(read_environment(untrusted)))
