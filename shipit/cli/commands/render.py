"""`shipit render`."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

from shipit.cli.completion import complete_targets
from shipit.cli.declared import argument
from shipit.cli.exits import exit_on_error
from shipit.cli.options import ProjectOptions, TargetOptions
from shipit.cli.printing import check_written, result
from shipit.cli.runs import targets_run
from shipit.errors import UsageError

HELP = """Prints all that a deploy sends to one target, whatever the target has already: manifests as YAML for Kubernetes, in the order in
which they are applied, the requests for Heroku, the manifests and tags for a registry. Builds what has to be built and reads the target,
as plan does. Values of secrets are left out; a Secret of Kubernetes is a comment. Nothing is pushed, released or applied."""
EXAMPLES = (
    "shipit render k8s",
    "shipit render k8s | kubectl apply --dry-run=server -f -",
    "shipit render heroku --output json",
)


def run(
    options: ProjectOptions,
    target: Annotated[
        str | None,
        argument(
            metavar="TARGET",
            help="A target of deploy.yml. Default: the only one.",
            show_default=False,
            completes=complete_targets,
        ),
    ] = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.pipeline.flow import render
        from shipit.report.rendered_text import render_text

        own = {field.name: getattr(options, field.name) for field in fields(ProjectOptions)}
        selected = TargetOptions(**own, targets=[target] if target else [])
        with targets_run(selected, shows_plan=False) as run:
            if len(run.targets) > 1:
                names = ", ".join(found.name for found in run.targets)
                raise UsageError("render shows one target", hint=f"name one: {names}")
            rendered = render(run)
        if options.output == "json":
            check_written()
            return
        for line in render_text(run.redactor.value(rendered)):
            result(line)
