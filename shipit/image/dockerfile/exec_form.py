"""The exec form of an instruction: a JSON array of strings. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/parser/line_parsers.go, `parseJSON`.
"""

from __future__ import annotations

import json
from typing import Any

from shipit.image.patterns.go_space import SPACE


def json_words(text: str) -> tuple[str, ...] | None:
    """The strings of a JSON array; None when the text is not a JSON array.

    Raises: ValueError for an array with other values than strings.
    """
    text = text.lstrip(SPACE)
    if not text.startswith("["):
        return None
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"an array should hold strings only, found {text}")
    return tuple(replace_lone_surrogates(value) for value in values)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def replace_lone_surrogates(text: str) -> str:
    """Replace lone surrogates, which JSON can contain and UTF-8 cannot, as Go does."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
