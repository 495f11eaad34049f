"""`shipit plan`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.options import FROM, ExpiresOption, ImageOptions, PlanOptions, UnhealthyOption, lifetime_of
from shipit.cli.printing import result_lines
from shipit.cli.promotion import promoting

HELP = """Builds what has to be built and reads every target. Nothing is pushed, released or applied. With --save the plan is kept
in a file, signed: `shipit deploy --plan FILE` does exactly that, or says what moved since and changes nothing. With --from it is the plan of a promotion."""
EXAMPLES = (
    "shipit plan",
    "shipit plan k8s -e staging",
    "shipit plan --full",
    "shipit plan --exit-code",
    "shipit plan --output markdown > comment.md",
    "shipit plan --save plan.json --expires 2h",
    "shipit plan --from staging",
)


def run(
    images: ImageOptions,
    options: PlanOptions,
    exit_code: Annotated[bool, option("--exit-code", help="Exit with 3 when there are changes.")] = False,
    full: Annotated[bool, option("--full", help="Show every line of each change.")] = False,
    save: Annotated[
        str | None,
        option("--save", metavar="FILE", help="Save the plan for shipit deploy --plan, or promote --plan."),
    ] = None,
    source: Annotated[str | None, FROM] = None,
    unhealthy: UnhealthyOption = False,
    expires: ExpiresOption = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.cli.saved_plans import write_saved
        from shipit.pipeline.flow import plan
        from shipit.pipeline.promise import promise
        from shipit.pipeline.shared_key import make_key
        from shipit.report.plan_markdown import render_plan_markdown
        from shipit.report.plan_text import render_plan

        lasts_s = lifetime_of(save, expires)
        with promoting(options, images, source, takes_unhealthy=unhealthy, plan_file=save) as run:
            key = make_key(run) if save is not None else None
            preparation = plan(run, is_deploy=save is not None)
            if save is not None:
                write_saved(run, promise(run, preparation, lasts_s), save, key, promotes_from=source or "")
        if options.output != "json":
            made = run.redactor.value(preparation.plan)
            at = datetime.fromtimestamp(run.clock.wall_s(), UTC).isoformat()
            # A page is read later: it keeps the times.
            is_page = options.output == "markdown"
            text = render_plan_markdown(made, full=full) if is_page else render_plan(made, full=full, at=at)
            result_lines(text.rstrip("\n").split("\n"))
        if exit_code and preparation.plan.changes:
            raise SystemExit(3)
