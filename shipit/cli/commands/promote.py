"""`shipit promote`."""

from __future__ import annotations

from typing import Annotated

from shipit.cli.completion import complete_environments
from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.options import FROM, ChangeOptions, UnhealthyOption
from shipit.cli.promotion import check_complete, destination, promoted, reading_source
from shipit.cli.release_options import ReleaseOptions
from shipit.cli.runs import targets_run

HELP = """Reads what the environment of --from runs from its targets, and releases the same images, by digest, in the environment
of --to, with the settings that deploy.yml has for that one. Images are copied from registry to registry; nothing is built.
Refused where --from is not healthy."""
EXAMPLES = (
    "shipit promote --from staging --to production",
    "shipit promote k8s --from staging",
    "shipit promote k8s --from staging/heroku --to production --yes",
    "shipit plan --from staging -e production",
)


def run(
    release: ReleaseOptions,
    options: ChangeOptions,
    source: Annotated[str, FROM],
    to: Annotated[
        str | None,
        option(
            "--to",
            metavar="ENV",
            help="The environment to release in. Default: production.",
            completes=complete_environments,
        ),
    ] = None,
    unhealthy: UnhealthyOption = False,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.cli.saved_plans import for_targets_of, plan_for, read_saved
        from shipit.pipeline.flow import deploy

        override, wait_s = release.override, release.wait_s
        options = destination(options, to, source)
        saved = read_saved(release.plan, options)
        options = for_targets_of(options, saved)
        with (
            reading_source(options, source, takes_unhealthy=unhealthy) as read,
            targets_run(
                options, timeout=options.timeout, yes=options.yes, verb="Promote to", keeps_journal=True,
                changed=promoted(read), source=read, jobs=release.jobs,
                loaded=saved.loaded if saved else None,
            ) as run,
        ):  # fmt: skip
            check_complete(run, read)
            code = deploy(run, plan_for(run, saved), wait_s, override)
        raise SystemExit(code)
