"""`shipit rollback`."""

from __future__ import annotations

from typing import Annotated

from shipit.cli.completion import complete_runs
from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.options import ChangeOptions, JobsOption, WaitOption, wait_of
from shipit.cli.runs import targets_run

HELP = """Returns each target to the newest healthy release before the one that runs, with its images, settings and secrets of then, and
waits until it is healthy. Builds and pushes nothing. deploy.yml stays as it is: the next deploy releases what it says again."""
EXAMPLES = ("shipit rollback", "shipit rollback k8s --to 3f9c", "shipit rollback heroku --to v41 --yes")


def run(
    options: ChangeOptions,
    to: Annotated[
        str,
        option(
            "--to",
            metavar="RUN|VERSION",
            help="The release to return to: the run that made it, or the place's own name for it, such as v12.",
            show_default=False,
            completes=complete_runs,
        ),
    ] = "",
    wait: WaitOption = None,
    jobs: JobsOption = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        wait_s = wait_of(wait)
        from shipit.pipeline.return_to_release import rollback

        with targets_run(
            options, timeout=options.timeout, yes=options.yes, verb="Roll back", for_deploy=False, keeps_journal=True,
            jobs=jobs,
        ) as run:  # fmt: skip
            run.wait_s = wait_s
            code = rollback(run, to, is_selected=bool(options.selected))
        raise SystemExit(code)
