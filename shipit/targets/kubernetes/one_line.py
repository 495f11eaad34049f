"""What a server says, short enough for a line of a verdict. Pure."""

from __future__ import annotations

_LONGEST = 300


def one_line(text: str) -> str:
    """The words of a text on one line, of which the rest is left out after 300 characters."""
    return " ".join(text.split())[:_LONGEST]
