"""`shipit help`."""

from __future__ import annotations

import difflib
import shutil
import sys
import textwrap
from typing import Annotated, Any

import typer

from shipit.cli.commands import SUMMARIES
from shipit.cli.completion import complete_topics
from shipit.cli.exits import exit_on_error
from shipit.cli.guide import Topic, read_topics
from shipit.cli.printing import page, read_environment, result
from shipit.errors import UsageError

HELP = "Without a topic: the list of topics. With the name of a command: its help."
EXAMPLES = ("shipit help", "shipit help secrets", "shipit help deploy")


def run(
    ctx: typer.Context,
    topic: Annotated[
        str | None, typer.Argument(metavar="TOPIC", help="A topic or a command.", autocompletion=complete_topics)
    ] = None,
) -> None:
    with exit_on_error(False):
        topics = read_topics()
        if topic is None:
            _list(topics)
            return
        wanted = "-".join(topic.lower().split())
        exact = [item for item in topics if item.name == wanted]
        if not exact and wanted in SUMMARIES:
            result(_help_of(ctx, wanted))
            return
        for item in exact or _of_kind(topics, wanted) or [item for item in topics if wanted in item.name.split("-")]:
            _show(item)
            return
        near = difflib.get_close_matches(wanted, [*(item.name for item in topics), *SUMMARIES], 1)
        hint = f"did you mean {near[0]}?" if near else "shipit help lists the topics"
        raise UsageError(f"there is no topic {topic!r}", hint=hint)


def _of_kind(topics: list[Topic], name: str) -> list[Topic]:
    """The topic that a kind of target names as its own."""
    from shipit.targets.kinds import KindModels, find_kind

    guide = find_kind(name).guide if name in KindModels() else ""
    return [item for item in topics if item.name == guide]


def _list(topics: list[Topic]) -> None:
    width = max(len(item.name) for item in topics) + 4
    columns = min(shutil.get_terminal_size().columns, 100)
    result("shipit help TOPIC\n")
    for item in topics:
        result(
            textwrap.fill(
                f"  {item.name:<{width - 2}}{item.summary}",
                columns,
                subsequent_indent=" " * width,
                break_on_hyphens=False,
                drop_whitespace=True,
            )
        )
    result("\nshipit COMMAND -h shows the options of a command.")


def _show(topic: Topic) -> None:
    from shipit.cli.markdown import render_markdown

    is_terminal = sys.stdout.isatty()
    color = not read_environment().get("NO_COLOR")
    columns = shutil.get_terminal_size().columns
    page(render_markdown(f"# {topic.title}\n\n{topic.text}", columns, is_terminal=is_terminal, color=color))


def _help_of(ctx: typer.Context, name: str) -> str:
    group: Any = ctx.parent and ctx.parent.command
    command = group.get_command(ctx.parent, name)
    with command.context_class(command, parent=ctx.parent, info_name=name) as own:
        return str(command.get_help(own))
