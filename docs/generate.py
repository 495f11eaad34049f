"""Writes docs/reference.md and the JSON Schemas in docs/ from the models and the commands, so that each key is described in one place only."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from typer.main import get_command

from docs.keys import anchor_of, table_of
from shipit.cli.app import app
from shipit.cli.commands import SUMMARIES
from shipit.cli.guide import GUIDE
from shipit.config.approve import ApproveConfig
from shipit.config.freeze import FreezeConfig
from shipit.config.hooks import HookConfig, HooksConfig, HookSecret
from shipit.config.image import BuildConfig, ImageConfig
from shipit.config.model import DotenvConfig, EnvironmentConfig, ProjectFile, ReleaseConfig, TargetConfig
from shipit.config.schema import render_schema
from shipit.config.secret_source import KeyringConfig, SecretConfig, SecretSource
from shipit.config.target_check import CheckConfig
from shipit.report.schema import render_output_schema
from shipit.targets.kind import load
from shipit.targets.kinds import KindModels, all_kinds, load_steps

# `shipit help` reads the guide from inside the package; for readers it is a page here.
GUIDE_PAGE = Path(__file__).with_name("guide.md")
FILE = Path(__file__).with_name("reference.md")
SCHEMA = Path(__file__).with_name("deploy.schema.json")
OUTPUT_SCHEMA = Path(__file__).with_name("output.schema.json")
SECTIONS: list[tuple[str, type[BaseModel]]] = [
    ("The top level", ProjectFile),
    ("`images.NAME`", ImageConfig),
    ("`images.NAME.build`", BuildConfig),
    ("`secrets.NAME`", SecretConfig),
    ("`images.NAME.build.secrets.ID`", SecretSource),
    ("`keyring` of a secret", KeyringConfig),
    ("`dotenv[]`", DotenvConfig),
    ("`environments.NAME`, beside the keys that it changes", EnvironmentConfig),
    ("`release`", ReleaseConfig),
    ("`approve`, of an environment and of a target", ApproveConfig),
    ("`freeze[]`", FreezeConfig),
    ("`hooks`, of the file and of a target", HooksConfig),
    ("`hooks.before[]`, `after[]` and `on_failure[]`", HookConfig),
    ("The source of a secret URL or header of a hook", HookSecret),
    ("Every target", TargetConfig),
    ("`check` of a target", CheckConfig),
]


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Heading -> model of every part of deploy.yml; each kind brings its own."""
    yield from SECTIONS
    for kind in all_kinds():
        aliases = ", ".join(f"`{name}`" for name in kind.names[1:])
        yield f"Kind `{kind.name}`{f' (also {aliases})' if aliases else ''}", kind.load_config()
        yield from ((heading, load(reference)) for heading, reference in kind.parts.items())


def render() -> str:
    """The whole page."""
    return "\n".join([*_head(), *_keys(), *_commands(), *_codes()]) + "\n"


def render_schema_file() -> str:
    """The JSON Schema, as `shipit schema` prints it."""
    return json.dumps(render_schema(KindModels()), indent=2) + "\n"


def render_output_schema_file() -> str:
    """The JSON Schema of a line of `--output json`, as `shipit schema output` prints it."""
    load_steps()
    return json.dumps(render_output_schema(package="shipit.targets."), indent=2) + "\n"


def _head() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Generated from the source by `make docs`. The guide is [guide.md](guide.md)."
    yield ""
    yield "## Keys of deploy.yml"


def _keys() -> Iterator[str]:
    yield from ("", "A value that is not text may also be a variable, such as `${PORT}`.")
    for title, model in sections():
        heading = f'### {title} <a id="{anchor_of(model)}"></a>'
        yield from ("", heading, "", (model.__doc__ or "").strip().splitlines()[0], "", *table_of(model))


def _commands() -> Iterator[str]:
    yield from ("", "## Commands")
    group: Any = get_command(app)
    for name in SUMMARIES:
        command = group.get_command(None, name)
        yield from ("", f"### shipit {name}", "", " ".join(command.help.split()), "")
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                yield f"- `{parameter.metavar}`: {parameter.help}"
            else:
                value = f" {parameter.metavar}" if parameter.metavar else ""
                yield f"- `{', '.join(parameter.opts)}{value}`: {parameter.help}"
        yield from ("", "```sh", *command.examples, "```")


def _codes() -> Iterator[str]:
    yield from ("", "## Exit codes", "", "| code | means |", "| --- | --- |")
    yield "| 0 | done: every target runs what was pushed and is healthy |"
    yield "| 1 | the deploy failed, or something could not be read, built or pushed |"
    yield "| 2 | the file or the command line is wrong |"
    yield "| 3 | `plan --exit-code` found changes |"
    yield "| 130 | interrupted |"


if __name__ == "__main__":
    FILE.write_text(render())
    SCHEMA.write_text(render_schema_file())
    OUTPUT_SCHEMA.write_text(render_output_schema_file())
    GUIDE_PAGE.write_text(GUIDE.read_text())
    sys.stdout.write(f"wrote {FILE.name}, {SCHEMA.name}, {OUTPUT_SCHEMA.name} and {GUIDE_PAGE.name}\n")
