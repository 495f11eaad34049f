"""`shipit deploy`."""

from __future__ import annotations

from typing import Annotated

from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.options import ChangeOptions, ImageOptions
from shipit.cli.release_options import ReleaseOptions
from shipit.cli.runs import targets_run

HELP = """Exits with 0 when every target runs exactly what was pushed and is healthy. Asks before it changes a protected
target; without a terminal that needs --yes, or a saved plan."""
EXAMPLES = (
    "shipit deploy",
    "shipit deploy heroku",
    "shipit deploy -e staging --timeout 5m",
    "shipit deploy --plan plan.json",
    "shipit deploy --image web=docker.io/user/web@$DIGEST",
    "shipit deploy --wait 10m",
    "shipit deploy --override-freeze 'fixes the checkout'",
    "shipit deploy --retry",
    "shipit deploy --supersede",
)


def run(
    images: ImageOptions,
    release: ReleaseOptions,
    options: ChangeOptions,
    retry: Annotated[
        bool,
        option("--retry", help="Only the targets that their last deploy left failed, rolled back or not reached."),
    ] = False,
    supersede: Annotated[
        bool,
        option("--supersede", help="Ask a deploy of an older commit that holds a lock to stop, and wait for it."),
    ] = False,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.cli.retried import for_retry
        from shipit.cli.saved_plans import for_targets_of, plan_for, read_saved
        from shipit.events import Warned
        from shipit.pipeline.flow import deploy

        override, wait_s = release.override, release.wait_s
        saved = read_saved(release.plan, options)
        options, warning = for_retry(options, has_plan=saved is not None) if retry else (options, "")
        options = for_targets_of(options, saved)
        with targets_run(
            options, timeout=options.timeout, yes=options.yes, keeps_journal=True, changed=images.given,
            jobs=release.jobs, loaded=saved.loaded if saved else None,
        ) as run:  # fmt: skip
            if warning:
                run.emit(Warned("", warning))
            code = deploy(run, plan_for(run, saved), wait_s, override, supersedes=supersede)
        raise SystemExit(code)
