"""`shipit schema`."""

from __future__ import annotations

from shipit.cli.exits import exit_on_error
from shipit.cli.printing import result_json
from shipit.targets.kinds import KindModels

HELP = """For editors: with the YAML language server they complete the keys of deploy.yml and explain them. Begin the file
with `# yaml-language-server: $schema=./deploy.schema.json`."""
EXAMPLES = ("shipit schema > deploy.schema.json",)


def run() -> None:
    with exit_on_error(False):
        from shipit.config.schema import render_schema

        result_json(render_schema(KindModels()), indent=2)
