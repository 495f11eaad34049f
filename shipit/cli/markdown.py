"""Markdown for a terminal, by rich: headings, lists, tables, code and links, wrapped to a width."""

from __future__ import annotations

import io
import re

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text
from rich.theme import Theme

# The defaults of rich have a background, which is hard to read on a light terminal.
_THEME = Theme({"markdown.code": "bold cyan", "markdown.link": "underline", "markdown.item.bullet": "none"})
# Longer lines are hard to read.
MAX_WIDTH = 100


class _Heading(Heading):
    """Bold, at the left margin: releases of rich differ here."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.text.plain, style="bold underline" if self.tag == "h1" else "bold")


class _Code(CodeBlock):
    """Indented, in the terminal's own colours."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = str(self.text).rstrip()
        code = Syntax(text, self.lexer_name, theme="ansi_dark", background_color="default", word_wrap=True)
        yield Padding(code, (0, 0, 0, 4))


class _Page(Markdown):
    elements = {**Markdown.elements, "heading_open": _Heading, "fence": _Code, "code_block": _Code}


def render_markdown(text: str, width: int, *, is_terminal: bool, color: bool = True) -> str:
    """The text as lines of at most `width` columns; with escape sequences only for a terminal."""
    file = io.StringIO()
    console = Console(
        file=file,
        width=max(20, min(width, MAX_WIDTH)),
        force_terminal=is_terminal,
        color_system="standard" if is_terminal else None,
        no_color=not color,
        highlight=False,
        legacy_windows=False,
        theme=_THEME,
    )
    if not is_terminal:
        text = _with_visible_code(text)
    # A link to a file of the documentation leads nowhere from a terminal: its text says enough.
    text = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)
    console.print(_Page(text, hyperlinks=False))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _with_visible_code(text: str) -> str:
    """The text with the backticks of inline code shown: without colours nothing else marks it."""
    parts = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    parts[::2] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"`` `\1` ``", prose) for prose in parts[::2]]
    return "".join(parts)
