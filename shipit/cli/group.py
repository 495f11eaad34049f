"""The group of commands: imports a command when it is used, shows help in groups, prints usage errors like other errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from shipit.cli.commands import GROUPS, SUMMARIES
from shipit.cli.plain_words import wanted_output
from shipit.errors import ShipitError, UsageError

# typer exports only this subclass of its UsageError.
_UsageProblem: Any = typer.BadParameter.__base__


class OneCommand(TyperCommand):
    """A command with examples below its options."""

    examples: tuple[str, ...] = ()

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", *(_usage_of(argument) for argument in self.arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        if self.arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(_usage_of(argument), argument.help) for argument in self.arguments])
        options = [parameter for parameter in self.get_params(ctx) if parameter.param_type_name == "option"]
        with formatter.section("Options"):
            formatter.write_dl([record for option in options if (record := option.get_help_record(ctx))])

    @property
    def arguments(self) -> list[Any]:
        return [parameter for parameter in self.params if parameter.param_type_name == "argument"]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
            formatter.write("".join(f"  {example}\n" for example in self.examples))


def _usage_of(argument: Any) -> str:
    shown = argument.metavar if argument.required else f"[{argument.metavar}]"
    return f"{shown}{'...' if argument.nargs != 1 else ''}"


class CommandGroup(TyperGroup):
    """The commands of `commands.GROUPS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(SUMMARIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in SUMMARIES and cmd_name not in self.commands:
            self.commands[cmd_name] = load_command(cmd_name)
        return self.commands.get(cmd_name)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        # Names and summaries are enough to complete a command: nothing is imported.
        self.commands = {name: TyperCommand(name=name, short_help=text) for name, text in SUMMARIES.items()}
        return super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, SUMMARIES))
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{width}}", summary) for name, summary in commands.items()])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        from shipit.cli.guide import GUIDE

        with formatter.section("Example"):
            formatter.write("  shipit init && shipit doctor && shipit plan && shipit deploy\n")
        with formatter.section("Read on"):
            formatter.write_dl(
                [
                    ("shipit COMMAND -h", "the options of a command, and examples"),
                    ("shipit help", "the topics of the guide; also as one page:"),
                ]
            )
            # On a line of its own, so that a terminal takes it for one link.
            formatter.write(f"{GUIDE.as_uri()}\n")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0] if args else ""
        if word and not word.startswith("-") and word not in SUMMARIES and not ctx.resilient_parsing:
            from shipit.cli.hints import hint_for

            raise UsageError(f"unknown command {word!r}", hint=hint_for(word, SUMMARIES))
        return super().resolve_command(ctx, args)

    def main(self, args: Any = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        words = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(words, standalone_mode=False, **extra)
        except _UsageProblem as problem:
            _fail(_usage_error(problem), words)
        except ShipitError as error:
            _fail(error, words)
        sys.exit(code if isinstance(code, int) else 0)


def load_command(name: str) -> Any:
    """The command of a module in `commands`."""
    from shipit.cli.option_groups import for_typer

    module = import_module(f"shipit.cli.commands.{name}")
    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    text = f"{SUMMARIES[name]}.\n\n{module.HELP}"
    single.command(name, cls=OneCommand, help=text)(for_typer(module.run))
    command: Any = get_command(single)
    command.examples = module.EXAMPLES
    return command


def _usage_error(problem: Any) -> ShipitError:
    """The error for words that the parser refuses."""
    if type(problem).__name__ == "NoArgsIsHelpError":
        problem.show()
        sys.exit(problem.exit_code)
    path = problem.ctx.command_path if problem.ctx else "shipit"
    hint = f"{path} -h lists the arguments and options"
    if near := _meant(problem):
        return UsageError(
            f"no such option: {problem.option_name}", hint=f"did you mean {' or '.join(sorted(near))}? {hint}"
        )
    text = problem.format_message().rstrip(".")
    return UsageError(text[:1].lower() + text[1:], hint=hint)


def _meant(problem: Any) -> Sequence[str]:
    """The options that begin with the text of one that is unknown, or are similar to it; empty for other problems."""
    if (near := getattr(problem, "possibilities", None)) is None:
        return ()
    known = [name for parameter in problem.ctx.command.params for name in parameter.opts] if problem.ctx else []
    return [name for name in known if name.startswith(problem.option_name)] or near


def _fail(error: ShipitError, words: Sequence[str]) -> NoReturn:
    from shipit.cli.exits import fail

    fail(error, wanted_output(words))
