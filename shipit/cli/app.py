"""The commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Optional

import typer

from shipit import __version__
from shipit.cli.completing import complete_environments, complete_images, complete_targets, complete_topics
from shipit.cli.words import Commands


class Output(StrEnum):
    """How progress and results are written."""

    auto = "auto"
    plain = "plain"
    json = "json"
    github = "github"


app = typer.Typer(
    name="shipit",
    cls=Commands,
    help="One deploy.yml, one image, every place it runs: build, push, release, verify.",
    epilog="`shipit help` lists topics to read on: builders, credentials, secrets, environments and more.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

FileOption = Annotated[
    Optional[str],
    typer.Option("--file", "-f", help="The deploy.yml, - for standard input; default: the nearest one upwards."),
]
EnvironmentOption = Annotated[
    Optional[str],
    typer.Option(
        "--environment", "-e", help="The environment whose overlay applies.", autocompletion=complete_environments
    ),
]
TargetsArgument = Annotated[
    Optional[list[str]],
    typer.Argument(help="Targets; default: all.", show_default=False, autocompletion=complete_targets),
]
TargetOption = Annotated[
    Optional[list[str]],
    typer.Option("--target", "-t", help="A target; may be given several times.", autocompletion=complete_targets),
]
OutputOption = Annotated[
    Output, typer.Option("--output", help="auto is a live view at a terminal and plain lines elsewhere.")
]
TimeoutOption = Annotated[Optional[str], typer.Option("--timeout", help="How long each target may take, such as 5m.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]
ColorOption = Annotated[bool, typer.Option("--no-color", help="No colours.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show the stack of an unexpected error.")]
UntrustedOption = Annotated[
    bool,
    typer.Option(
        "--untrusted",
        help="For a deploy.yml of somebody else: run no program it names, read nothing outside of the project.",
    ),
]
HostArgument = Annotated[str, typer.Argument(help="The registry's host, or heroku.", show_default="docker.io")]


def _version(wanted: bool) -> None:
    if wanted:
        import os
        import sys

        from shipit.cli.ending import ending
        from shipit.cli.say import result

        system, python = os.uname(), sys.version_info
        version = f"{python.major}.{python.minor}.{python.micro}"
        with ending(False):
            result(f"shipit {__version__} (Python {version}, {system.sysname} {system.machine})")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version, and what it runs on.")
    ] = False,
) -> None:
    """One deploy.yml, one image, every place it runs: build, push, release, verify."""


@app.command()
def init(yes: YesOption = False, verbose: VerboseOption = False) -> None:
    """Create deploy.yml from this project. Adds a Dockerfile where there is none, and overwrites nothing."""
    from shipit.cli.init import run_init

    run_init(yes, verbose)


@app.command()
def validate(
    file: FileOption = None,
    environment: EnvironmentOption = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Print it after includes, the overlay, defaults and variables.")
    ] = False,
    origin: Annotated[bool, typer.Option("--origin", help="With --resolved: where each value came from.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is deprecated, in the file itself.")] = False,
    output: OutputOption = Output.auto,
    verbose: VerboseOption = False,
    untrusted: UntrustedOption = False,
) -> None:
    """Check deploy.yml under every environment. With `-e`, under that one only."""
    from shipit.cli.checking import run_validate

    run_validate(
        file, environment, output, resolved=resolved, origin=origin, fix=fix, verbose=verbose, untrusted=untrusted
    )


@app.command()
def schema() -> None:
    """Print the JSON Schema of deploy.yml, for editors and other checks."""
    from shipit.cli.checking import run_schema

    run_schema()


@app.command()
def doctor(
    targets: TargetsArgument = None,
    file: FileOption = None,
    environment: EnvironmentOption = None,
    target: TargetOption = None,
    output: OutputOption = Output.auto,
    verbose: VerboseOption = False,
    untrusted: UntrustedOption = False,
) -> None:
    """Check what a deploy needs. That is builder, logins, tokens, permissions, clock, disk and proxy; nothing is changed."""
    from shipit.cli.doctor import run_doctor
    from shipit.cli.running import Options, chosen

    run_doctor(Options(file, environment, chosen(targets, target), output, verbose=verbose, untrusted=untrusted))


@app.command()
def build(
    images: Annotated[
        Optional[list[str]],
        typer.Argument(help="Images; default: all that are built.", show_default=False, autocompletion=complete_images),
    ] = None,
    file: FileOption = None,
    environment: EnvironmentOption = None,
    output: OutputOption = Output.auto,
    no_color: ColorOption = False,
    verbose: VerboseOption = False,
    untrusted: UntrustedOption = False,
) -> None:
    """Build images; print each one's config digest."""
    from shipit.cli.commands import run_build
    from shipit.cli.running import Options

    run_build(
        images or [], Options(file, environment, output=output, no_color=no_color, verbose=verbose, untrusted=untrusted)
    )


@app.command()
def push(
    targets: TargetsArgument = None,
    file: FileOption = None,
    environment: EnvironmentOption = None,
    target: TargetOption = None,
    output: OutputOption = Output.auto,
    no_color: ColorOption = False,
    verbose: VerboseOption = False,
    untrusted: UntrustedOption = False,
) -> None:
    """Push images; release nothing. Pushes what the targets pull, by digest and with tags; without targets, every image that has a repository."""
    from shipit.cli.commands import run_push
    from shipit.cli.running import Options, chosen

    run_push(
        Options(
            file, environment, chosen(targets, target), output, no_color=no_color, verbose=verbose, untrusted=untrusted
        )
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
    untrusted: UntrustedOption = False,
) -> None:
    """Show what a deploy would change. Nothing is pushed, released or applied."""
    from shipit.cli.commands import run_plan
    from shipit.cli.running import Options, chosen

    options = Options(
        file, environment, chosen(targets, target), output, no_color=no_color, verbose=verbose, untrusted=untrusted
    )
    run_plan(options, exit_code)


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
    untrusted: UntrustedOption = False,
) -> None:
    """Build, push, release and verify. Done when every target runs what was pushed and is healthy."""
    from shipit.cli.commands import run_deploy
    from shipit.cli.running import Options, chosen

    run_deploy(Options(file, environment, chosen(targets, target), output, timeout, yes, no_color, verbose, untrusted))


@app.command()
def status(
    targets: TargetsArgument = None,
    file: FileOption = None,
    environment: EnvironmentOption = None,
    target: TargetOption = None,
    output: OutputOption = Output.auto,
    no_color: ColorOption = False,
    verbose: VerboseOption = False,
    untrusted: UntrustedOption = False,
) -> None:
    """Show what runs in each place."""
    from shipit.cli.commands import run_status
    from shipit.cli.running import Options, chosen

    run_status(
        Options(
            file, environment, chosen(targets, target), output, no_color=no_color, verbose=verbose, untrusted=untrusted
        )
    )


@app.command()
def login(
    host: HostArgument = "docker.io",
    username: Annotated[Optional[str], typer.Option("--username", "-u", help="Default: asked at a terminal.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password or token from standard input.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Check a registry login and keep it. It is kept where docker keeps its own; `shipit login heroku` checks the token in use."""
    from shipit.cli.login import run_login

    run_login(host, username, password_stdin, verbose)


@app.command()
def logout(host: HostArgument = "docker.io", verbose: VerboseOption = False) -> None:
    """Forget a registry login."""
    from shipit.cli.login import run_logout

    run_logout(host, verbose)


@app.command("help")
def help_topic(
    topic: Annotated[
        Optional[str], typer.Argument(help="A topic or a command.", autocompletion=complete_topics)
    ] = None,
) -> None:
    """Read about a topic; without one, list them."""
    from shipit.cli.topics import run_help

    run_help(topic)
