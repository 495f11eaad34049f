"""Text of servers and files as code in Markdown, where it can't be markup. Pure.

Source: GitHub Flavored Markdown 0.29, 4.5 (fenced code blocks) and 6.3 (code spans).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from shipit.printable import printable_line


def code_span(text: str) -> str:
    """Text as inline code, on one line."""
    shown = printable_line(text)
    fence = _fence([shown], 1)
    space = " " if "`" in shown or not shown.strip() else ""
    return f"{fence}{space}{shown}{space}{fence}"


def code_block(lines: Sequence[str], language: str = "text") -> str:
    """Lines as they are."""
    shown = [printable_line(line) for line in lines]
    fence = _fence(shown, 3)
    return "\n".join([f"{fence}{language}", *shown, f"{fence}\n"])


def _fence(lines: Iterable[str], least: int) -> str:
    """A fence that is longer than any run of backticks in the lines."""
    return "`" * max([least, *(len(run) + 1 for line in lines for run in re.findall("`+", line))])
