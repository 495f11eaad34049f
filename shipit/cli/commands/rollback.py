"""`shipit rollback`."""

from __future__ import annotations

from typing import Annotated

from shipit.cli.completion import complete_runs
from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.options import (
    ChangeOptions,
    ExpiresOption,
    JobsOption,
    SavePlanOption,
    WaitOption,
    lifetime_of,
    wait_of,
)
from shipit.cli.release_options import PlanFileOption
from shipit.cli.runs import targets_run
from shipit.errors import UsageError

HELP = """Returns each target to the newest healthy release before the one that runs, with its images, settings and secrets of then, and
waits until it is healthy. Builds and pushes nothing. deploy.yml stays as it is: the next deploy releases what it says again. With --save its plan is kept in a file, and --plan does exactly that."""
EXAMPLES = (
    "shipit rollback",
    "shipit rollback k8s --to 3f9c",
    "shipit rollback heroku --to v41 --yes",
    "shipit rollback --save plan.json",
    "shipit rollback --plan plan.json",
)


def run(
    options: ChangeOptions,
    to: Annotated[
        str | None,
        option(
            "--to",
            metavar="RUN|VERSION",
            help="The release to return to: the run that made it, or the place's own name for it, such as v12.",
            show_default=False,
            completes=complete_runs,
        ),
    ] = None,
    save: SavePlanOption = None,
    expires: ExpiresOption = None,
    plan: PlanFileOption = None,
    wait: WaitOption = None,
    jobs: JobsOption = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        wait_s, lasts_s = wait_of(wait), lifetime_of(save, expires)
        if to == "":
            raise UsageError("--to should be a run or a version", hint="without --to, it is the last healthy release")
        if plan is not None and (to is not None or save is not None):
            raise UsageError("--plan says what to return to, so --to and --save can't be given", hint="remove them")
        wanted = to or ""
        from shipit.cli.saved_plans import for_targets_of, plan_for, read_saved, write_saved
        from shipit.pipeline.return_to_release import rollback, save_rollback
        from shipit.pipeline.shared_key import make_key

        saved = read_saved(plan, options, for_deploy=False)
        options = for_targets_of(options, saved)
        is_selected = bool(options.selected)
        with targets_run(
            options, timeout=options.timeout, yes=options.yes, verb="Roll back", for_deploy=False,
            keeps_journal=save is None, jobs=jobs, loaded=saved.loaded if saved else None, plan_file=save,
        ) as run:  # fmt: skip
            if save is not None:
                key = make_key(run)
                write_saved(
                    run, save_rollback(run, wanted, lasts_s, is_selected=is_selected), save, key, is_rollback=True
                )
                return
            run.wait_s = wait_s
            code = rollback(run, wanted, is_selected=is_selected, saved=plan_for(run, saved))
        raise SystemExit(code)
