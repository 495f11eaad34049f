"""The commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Optional

import typer

from shipit import __version__


class Output(StrEnum):
    """How progress and results are written."""

    auto = "auto"
    plain = "plain"
    json = "json"


app = typer.Typer(
    name="shipit",
    help="One deploy.yml, one image, every place it runs: build, push, release, verify.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

FileOption = Annotated[
    Optional[str], typer.Option("--file", "-f", help="The deploy.yml; default: the nearest one upwards.")
]
EnvironmentOption = Annotated[
    Optional[str], typer.Option("--environment", "-e", help="The environment whose overlay applies.")
]
TargetsArgument = Annotated[Optional[list[str]], typer.Argument(help="Targets; default: all.", show_default=False)]
TargetOption = Annotated[
    Optional[list[str]], typer.Option("--target", "-t", help="A target; may be given several times.")
]
OutputOption = Annotated[
    Output, typer.Option("--output", help="auto is a live view at a terminal and plain lines elsewhere.")
]
TimeoutOption = Annotated[Optional[str], typer.Option("--timeout", help="How long each target may take, such as 5m.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]
ColorOption = Annotated[bool, typer.Option("--no-color", help="No colours.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show the stack of an unexpected error.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"shipit {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """One deploy.yml, one image, every place it runs: build, push, release, verify."""


@app.command()
def validate(file: FileOption = None, environment: EnvironmentOption = None, verbose: VerboseOption = False) -> None:
    """Check deploy.yml, every environment of it unless one is named."""
    from shipit.cli.commands import run_validate

    run_validate(file, environment, verbose)


@app.command()
def build(
    images: Annotated[
        Optional[list[str]], typer.Argument(help="Images; default: all that are built.", show_default=False)
    ] = None,
    file: FileOption = None,
    environment: EnvironmentOption = None,
    output: OutputOption = Output.auto,
    no_color: ColorOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Build images; print each one's config digest."""
    from shipit.cli.commands import run_build
    from shipit.cli.running import Options

    run_build(images or [], Options(file, environment, (), output.value, None, False, no_color, verbose))


@app.command()
def push(
    targets: TargetsArgument = None,
    file: FileOption = None,
    environment: EnvironmentOption = None,
    target: TargetOption = None,
    output: OutputOption = Output.auto,
    no_color: ColorOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Push what targets pull, by digest and with tags; release nothing."""
    from shipit.cli.commands import run_push
    from shipit.cli.running import Options

    run_push(
        Options(file, environment, (*(targets or ()), *(target or ())), output.value, None, False, no_color, verbose)
    )


@app.command()
def plan(
    targets: TargetsArgument = None,
    file: FileOption = None,
    environment: EnvironmentOption = None,
    target: TargetOption = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 when there are changes.")] = False,
    output: OutputOption = Output.auto,
    no_color: ColorOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what a deploy would change; write to no place."""
    from shipit.cli.commands import run_plan
    from shipit.cli.running import Options

    run_plan(
        Options(file, environment, (*(targets or ()), *(target or ())), output.value, None, False, no_color, verbose),
        exit_code,
    )


@app.command()
def deploy(
    targets: TargetsArgument = None,
    file: FileOption = None,
    environment: EnvironmentOption = None,
    target: TargetOption = None,
    timeout: TimeoutOption = None,
    yes: YesOption = False,
    output: OutputOption = Output.auto,
    no_color: ColorOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Build, push, release and verify: done when every target runs what was pushed and is healthy."""
    from shipit.cli.commands import run_deploy
    from shipit.cli.running import Options

    run_deploy(
        Options(file, environment, (*(targets or ()), *(target or ())), output.value, timeout, yes, no_color, verbose)
    )


@app.command()
def status(
    targets: TargetsArgument = None,
    file: FileOption = None,
    environment: EnvironmentOption = None,
    target: TargetOption = None,
    output: OutputOption = Output.auto,
    no_color: ColorOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what runs in each place."""
    from shipit.cli.commands import run_status
    from shipit.cli.running import Options

    run_status(
        Options(file, environment, (*(targets or ()), *(target or ())), output.value, None, False, no_color, verbose)
    )
