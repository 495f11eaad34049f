"""`shipit plan`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from shipit.cli.declared import option
from shipit.cli.exits import exit_on_error
from shipit.cli.options import FROM, ImageOptions, PlanOptions, UnhealthyOption, limit_of
from shipit.cli.printing import result_lines
from shipit.cli.promotion import promoting
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.pipeline.prepare import Preparation
    from shipit.pipeline.run import Run

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
    expires: Annotated[
        str | None,
        option("--expires", metavar="DURATION", help="How long the saved plan is good. Default: 24h."),
    ] = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.pipeline.flow import plan
        from shipit.pipeline.shared_key import make_key
        from shipit.report.plan_markdown import render_plan_markdown
        from shipit.report.plan_text import render_plan

        lasts_s = _lifetime(save, expires)
        with promoting(options, images, source, takes_unhealthy=unhealthy) as run:
            key = make_key(run) if save is not None else None
            preparation = plan(run, is_deploy=save is not None)
            if save is not None:
                _save(run, preparation, save, key, lasts_s, source or "")
        if options.output != "json":
            made = run.redactor.value(preparation.plan)
            at = datetime.fromtimestamp(run.clock.wall_s(), UTC).isoformat()
            # A page is read later: it keeps the times.
            is_page = options.output == "markdown"
            text = render_plan_markdown(made, full=full) if is_page else render_plan(made, full=full, at=at)
            result_lines(text.rstrip("\n").split("\n"))
        if exit_code and preparation.plan.changes:
            raise SystemExit(3)


def _lifetime(save: str | None, expires: str | None) -> float:
    """Seconds for which a saved plan is good. Raises: UsageError."""
    if expires is not None and save is None:
        raise UsageError("--expires is for a plan that is saved", hint="add --save FILE")
    return limit_of("--expires", expires or "24h")


def _save(
    run: Run, preparation: Preparation, file: str, shared_key: str | None, lasts_s: float, promotes_from: str
) -> None:
    from pathlib import Path

    from shipit.events import PlanSaved
    from shipit.history.saved_plan import write_plan
    from shipit.pipeline.promise import plan_key, promise

    saved = promise(run, preparation, lasts_s)
    write_plan(Path(file), saved, plan_key(shared_key, run.environment))
    run.emit(PlanSaved(file, saved.expires_at, promotes_from))
