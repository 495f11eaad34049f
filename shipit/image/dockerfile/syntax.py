"""Checks instructions as BuildKit does, and splits their arguments. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/parser/line_parsers.go, frontend/dockerfile/instructions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from shipit.errors import BuildError
from shipit.image.dockerfile.exec_form import json_words
from shipit.image.dockerfile.healthcheck import parse_healthcheck, split_healthcheck
from shipit.image.dockerfile.heredoc import parse_heredoc
from shipit.image.dockerfile.pairs import split_words
from shipit.image.dockerfile.parse import Dockerfile, Instruction, Malformed, parse_instruction
from shipit.image.patterns.go_space import SPACE

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
# The flags of each instruction, and the kind of their value: once, repeatable, or true and false.
_ONE, _MANY, _SWITCH = "one", "many", "switch"
_COPY_FLAGS = {"from": _ONE, "chown": _ONE, "chmod": _ONE, "link": _SWITCH, "exclude": _MANY, "parents": _SWITCH}
_ADD_FLAGS = {
    "chown": _ONE,
    "chmod": _ONE,
    "link": _SWITCH,
    "keep-git-dir": _SWITCH,
    "checksum": _ONE,
    "unpack": _SWITCH,
    "exclude": _MANY,
}
_HEALTH_FLAGS = dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), _ONE)
_RUN_FLAGS = {"mount": _MANY, "network": _ONE, "security": _ONE, "device": _MANY}
_FLAGS: dict[str, dict[str, str]] = {
    "FROM": {"platform": _ONE},
    "COPY": _COPY_FLAGS,
    "ADD": _ADD_FLAGS,
    "HEALTHCHECK": _HEALTH_FLAGS,
    "RUN": _RUN_FLAGS,
}
_LISTS = ("ADD", "COPY", "VOLUME")
_COMMANDS = ("CMD", "ENTRYPOINT", "RUN", "SHELL")
_TEXTS = ("MAINTAINER", "STOPSIGNAL", "USER", "WORKDIR")
INSTRUCTIONS = frozenset(
    [*_LISTS, *_COMMANDS, *_TEXTS, "FROM", "ARG", "ENV", "LABEL", "EXPOSE", "HEALTHCHECK", "ONBUILD"]
)


class Arguments(NamedTuple):
    """The arguments of an instruction, and whether they were a JSON array."""

    words: tuple[str, ...]
    is_json: bool = False


def parse_arguments(instruction: Instruction, escape: str) -> Arguments:
    """Split the arguments as BuildKit's parser does. Raises: ValueError."""
    keyword, text = instruction.keyword, instruction.text
    if keyword in _LISTS or keyword in _COMMANDS:
        words = json_words(text)
        if words is not None:
            return Arguments(words, is_json=True)
        return Arguments(_split(text) if keyword in _LISTS else (text,) if text else ())
    if keyword == "HEALTHCHECK":
        kind, rest = split_healthcheck(text)
        words = json_words(rest)
        return Arguments((kind, *(words if words is not None else (rest,) if rest else ())), words is not None)
    if keyword == "ARG":
        return Arguments(tuple(split_words(text, escape)))
    if keyword in ("EXPOSE", "FROM"):
        return Arguments(_split(text))
    return Arguments((text,) if text else ())


def _split(text: str) -> tuple[str, ...]:
    return tuple(_BLANKS.split(text)) if text else ()


def first_invalid(dockerfile: Dockerfile) -> tuple[Instruction, ValueError] | None:
    """The first instruction that BuildKit would refuse, and why; None when all are valid."""
    for instruction in dockerfile.instructions:
        try:
            check_instruction(instruction, dockerfile.escape)
        except ValueError as error:
            return instruction, error
    return None


def find_problem(dockerfile: Dockerfile) -> BuildError | None:
    """The first syntax error, or None; found without building."""
    if dockerfile.refusal is not None:
        return dockerfile.refusal
    if wrong := first_invalid(dockerfile):
        instruction, error = wrong
        hint = error.hint if isinstance(error, Malformed) else ""
        return BuildError(str(error), where=dockerfile.where(instruction), hint=hint)
    return None


def check_instruction(instruction: Instruction, escape: str) -> None:
    """Raises: ValueError with what the instruction should be."""
    keyword = instruction.keyword
    if keyword not in INSTRUCTIONS:
        raise Malformed(f"{keyword!r} is not an instruction", "the line before it may lack a \\ at its end")
    words = parse_arguments(instruction, escape).words
    if not words and keyword not in ("CMD", "ENTRYPOINT", "RUN"):
        raise ValueError(f"{keyword} needs an argument")
    if keyword not in ("ARG", "STOPSIGNAL") and not (keyword == "HEALTHCHECK" and words[0].upper() == "NONE"):
        _check_flags(instruction)
    if keyword in ("ENV", "LABEL"):
        _check_pairs(instruction, escape)
    elif keyword in ("COPY", "ADD"):
        _check_copy(keyword, words)
    elif check := _CHECKS.get(keyword):
        check(instruction, words, escape)


def _check_flags(instruction: Instruction) -> None:
    known, seen = _FLAGS.get(instruction.keyword, {}), set()
    for flag in instruction.flags:
        name, equals, value = flag.removeprefix("--").partition("=")
        kind = known.get(name)
        if kind is None:
            raise ValueError(f"{instruction.keyword} has no flag --{name}")
        if name in seen and kind != _MANY:
            raise ValueError(f"{instruction.keyword} has --{name} twice")
        seen.add(name)
        if kind == _SWITCH and (bool(equals) != bool(value) or value.lower() not in ("", "true", "false")):
            raise ValueError(f"--{name} should be true or false, found {value!r}")
        if kind != _SWITCH and not equals:
            raise ValueError(f"--{name} needs a value: --{name}=VALUE")


def switch_value(instruction: Instruction, name: str) -> bool | None:
    """The value of a flag that is true or false; None when it is missing."""
    value = instruction.flag(name)
    return None if value is None else value.lower() != "false"


def _check_pairs(instruction: Instruction, escape: str) -> None:
    words = split_words(instruction.text, escape)
    if words and "=" not in words[0]:
        if len(_BLANKS.split(instruction.text, maxsplit=1)) < 2:
            raise ValueError(f"should be NAME=value, found {words[0]!r}")
        return
    for word in words:
        if "=" not in word or word.startswith("="):
            raise ValueError(f"should be NAME=value, found {word!r}")


def _check_copy(keyword: str, words: tuple[str, ...]) -> None:
    if len(words) < 2:
        raise ValueError(f"{keyword} needs a source and a destination")
    if parse_heredoc(words[-1]):
        raise ValueError(f"{keyword} should end with a destination, found a here-document")


def _check_from(instruction: Instruction, words: tuple[str, ...], escape: str) -> None:
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
        raise ValueError("FROM should be IMAGE, or IMAGE AS NAME")
    if len(words) == 3 and not _STAGE_NAME.fullmatch(words[2].lower()):
        raise ValueError(f"a stage's name should be letters, digits and '-_.', a letter first, found {words[2]!r}")


def _check_arg(instruction: Instruction, words: tuple[str, ...], escape: str) -> None:
    if any(word.startswith("=") for word in words):
        raise ValueError(f"ARG should be NAME or NAME=value, found {instruction.text!r}")


def _check_shell(instruction: Instruction, words: tuple[str, ...], escape: str) -> None:
    if json_words(instruction.text) is None:
        raise ValueError('SHELL should be in the exec form: SHELL ["program", "argument"]')


def _check_volume(instruction: Instruction, words: tuple[str, ...], escape: str) -> None:
    if any(not word.strip(SPACE) for word in words):
        raise ValueError("VOLUME should name folders, found an empty word")


def _check_healthcheck(instruction: Instruction, words: tuple[str, ...], escape: str) -> None:
    parse_healthcheck(instruction)


def _check_onbuild(instruction: Instruction, words: tuple[str, ...], escape: str) -> None:
    inner = parse_instruction(instruction.text, instruction.line, escape)
    if inner.keyword in ("FROM", "MAINTAINER", "ONBUILD"):
        raise ValueError(
            f"ONBUILD should hold an instruction other than FROM, MAINTAINER or ONBUILD, found {inner.keyword}"
        )
    if inner.keyword in ("ENV", "LABEL"):
        _check_pairs(inner, escape)
    parse_arguments(inner, escape)


_CHECKS: dict[str, Callable[[Instruction, tuple[str, ...], str], None]] = {
    "FROM": _check_from,
    "ARG": _check_arg,
    "SHELL": _check_shell,
    "VOLUME": _check_volume,
    "HEALTHCHECK": _check_healthcheck,
    "ONBUILD": _check_onbuild,
}
