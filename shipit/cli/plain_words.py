"""Reads a command line whose options are written plainly, each as a word of its own. What is unusual is left to typer."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, get_args

from shipit.cli.declared import Declared

# Settings of options that are read here; typer reads those that have another one.
_KNOWN_SETTINGS = frozenset({"metavar", "help", "show_default", "check", "completes", "min"})
_MOST_DIGITS = 9


class PlainWords(NamedTuple):
    """The values of the options that a command line has, by the name of the parameter, and its other words."""

    values: dict[str, Any]
    words: list[str]


def read_plain(options: Sequence[inspect.Parameter], words: Sequence[str]) -> PlainWords | None:
    """The command line; None where typer has to read it: unknown and repeated options, short ones in one word, `--`, refused values."""
    known = {flag: own for own in options for flag in declared_of(own).flags}
    found = PlainWords({}, [])
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            found.words.append(word)
            continue
        flag, equals, text = word.partition("=") if word.startswith("--") else (word, "", "")
        own = known.get(flag)
        if own is None or not _KNOWN_SETTINGS.issuperset(declared_of(own).settings):
            return None
        kind = get_args(own.annotation)[0]
        value = _flag_value(equals) if kind is bool else _parsed(own, kind, text if equals else next(rest, ""))
        earlier = found.values.get(own.name)
        if isinstance(value, list) and isinstance(earlier, list):
            value = [*earlier, *value]
        elif value is None or earlier is not None:
            return None
        found.values[own.name] = value
    return found


def declared_of(parameter: inspect.Parameter) -> Declared:
    """The declaration of an option, in the annotation of its parameter."""
    return next(own for own in get_args(parameter.annotation)[1:] if isinstance(own, Declared))


def _flag_value(equals: str) -> bool | None:
    return None if equals else True


def _parsed(own: inspect.Parameter, kind: Any, text: str) -> Any:
    """The value of an option that has one; None where typer has to say what is wrong with it."""
    settings = declared_of(own).settings
    if not text or text.startswith("-"):
        return None
    if kind in (int, int | None):
        is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
        return int(text) if is_number and int(text) >= settings.get("min", 0) else None
    if kind == list[str] | None:
        return [text]
    if kind not in (str, str | None):
        return None
    try:
        settings.get("check", str)(text)
    except ValueError:
        return None
    return text


def wanted_output(words: Sequence[str]) -> str:
    """The value of `--output` in a command line that can't be parsed; `auto` without one. The last one counts."""
    options = words[: words.index("--")] if "--" in words else words
    found = "auto"
    for word, following in pairwise((*options, "")):
        name, equals, value = word.partition("=")
        if name == "--output":
            found = value if equals else following
    return found
