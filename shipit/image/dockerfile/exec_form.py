"""The exec form of an instruction: a JSON array of texts. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/parser/line_parsers.go, `parseJSON`.
"""

from __future__ import annotations

import json
from typing import Any

from shipit.image.dockerfile.shell_lex import SPACE


def json_words(text: str) -> tuple[str, ...] | None:
    """The texts of a JSON array; None where it is none.

    Raises: ValueError for an array that holds anything but texts.
    """
    text = text.lstrip(SPACE)
    if not text.startswith("["):
        return None
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"an array should hold texts only, found {text}")
    return tuple(whole_characters(value) for value in values)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def whole_characters(text: str) -> str:
    """A text with halves of surrogate pairs, which JSON can hold and UTF-8 can't, replaced as Go does."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
