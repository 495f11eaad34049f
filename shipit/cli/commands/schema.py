"""`shipit schema`."""

from __future__ import annotations

from typing import Annotated

from shipit.cli.declared import argument
from shipit.cli.exits import exit_on_error
from shipit.cli.printing import result_json
from shipit.errors import UsageError
from shipit.targets.kinds import KindModels, load_steps

HELP = """For editors: with the YAML language server they complete the keys of deploy.yml and explain them. Begin the file
with `# yaml-language-server: $schema=./deploy.schema.json`."""
SCHEMAS = ("deploy.yml", "output")
EXAMPLES = ("shipit schema > deploy.schema.json", "shipit schema output > output.schema.json")


def run(
    what: Annotated[
        str,
        argument(
            metavar="WHAT",
            help="deploy.yml, or output: a line of --output json. Default: deploy.yml.",
            show_default=False,
            completes=lambda incomplete: [name for name in SCHEMAS if name.startswith(incomplete)],
        ),
    ] = "deploy.yml",
) -> None:
    with exit_on_error(False):
        if what not in SCHEMAS:
            raise UsageError(f"there is no schema of {what!r}", hint=f"there are {' and '.join(SCHEMAS)}")
        if what == "output":
            from shipit.report.schema import render_output_schema

            load_steps()
            result_json(render_output_schema(), indent=2)
            return
        from shipit.config.schema import render_schema

        result_json(render_schema(KindModels()), indent=2)
