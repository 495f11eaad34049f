"""Facts from a Dockerfile: the ports of the image, its stages, and whether it has an entrypoint. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shipit.drafts.values import as_port
from shipit.image.dockerfile.pairs import parse_pairs, split_words
from shipit.image.dockerfile.parse import Dockerfile, Instruction, parse_dockerfile
from shipit.image.dockerfile.shell_lex import Lexer


class ImageFacts(NamedTuple):
    """`port` is the first that is exposed, 0 for none; `stages` are names in order, empty for one without."""

    port: int = 0
    has_entrypoint: bool = False
    stages: tuple[str, ...] = ()


class _Stage(NamedTuple):
    name: str
    base: str
    instructions: tuple[Instruction, ...]


def image_facts(text: str, stage: str, args: Mapping[str, str]) -> ImageFacts:
    """Facts of the image of a stage, or of the last stage, including the stages that it is based on.

    A Dockerfile that can't be read has none.
    """
    dockerfile = parse_dockerfile(text.encode("utf-8", "replace"))
    if dockerfile.refusal is not None:
        return ImageFacts()
    before, stages = _split(dockerfile)
    names = tuple(found.name for found in stages)
    chain = list(_chain(stages, stage))
    lexer = Lexer(dockerfile.escape)
    variables = _arguments(before, {}, args, lexer)
    ports: list[int] = []
    has_entrypoint = False
    for instruction in (instruction for found in reversed(chain) for instruction in found.instructions):
        if instruction.keyword == "ARG":
            variables |= _arguments((instruction,), variables, args, lexer)
        elif instruction.keyword == "ENV":
            with contextlib.suppress(ValueError):
                variables |= dict(parse_pairs(instruction.text, variables, lexer))
        elif instruction.keyword == "EXPOSE":
            ports += [port for word in _words(instruction, variables, lexer) if (port := as_port(word))]
        elif instruction.keyword == "ENTRYPOINT":
            has_entrypoint = instruction.text.strip() not in ("", "[]")
    return ImageFacts(ports[0] if ports else 0, has_entrypoint, names)


def _split(dockerfile: Dockerfile) -> tuple[tuple[Instruction, ...], list[_Stage]]:
    """The instructions before the first FROM, and the stages."""
    before: list[Instruction] = []
    stages: list[_Stage] = []
    for instruction in dockerfile.instructions:
        if instruction.keyword == "FROM":
            words = instruction.text.split()
            name = words[2].lower() if len(words) == 3 else ""
            stages.append(_Stage(name, words[0].lower() if words else "", ()))
        elif stages:
            stages[-1] = stages[-1]._replace(instructions=(*stages[-1].instructions, instruction))
        else:
            before.append(instruction)
    return tuple(before), stages


def _chain(stages: list[_Stage], name: str) -> Iterator[_Stage]:
    """The stage of a name, or the last one, followed by the stages that it is based on."""
    indexes = [index for index, stage in enumerate(stages) if not name or name.lower() == stage.name]
    index = indexes[-1] if indexes else len(stages) - 1
    while index >= 0:
        yield stages[index]
        base = stages[index].base
        index = next((i for i in range(index - 1, -1, -1) if base == stages[i].name), -1)


def _arguments(
    instructions: tuple[Instruction, ...], known: Mapping[str, str], args: Mapping[str, str], lexer: Lexer
) -> dict[str, str]:
    found = dict(known)
    for instruction in instructions:
        for word in _words(instruction, found, lexer):
            name, equals, default = word.partition("=")
            if name in args or equals:
                found[name] = args.get(name, default)
    return found


def _words(instruction: Instruction, variables: Mapping[str, str], lexer: Lexer) -> list[str]:
    try:
        return [lexer.word(word, variables) for word in split_words(instruction.text, lexer.escape)]
    except ValueError:
        return []
