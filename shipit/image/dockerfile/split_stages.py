"""Splits a Dockerfile into stages, and checks what they build on and copy from. Pure.

Source: Dockerfile reference, "FROM", "ARG"; github.com/moby/buildkit 0.34, frontend/dockerfile/dockerfile2llb/convert.go.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping

from shipit.errors import BuildError, ShipitError
from shipit.image.dockerfile.parse import Dockerfile, Instruction
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.stages import STAGE_NUMBER, StageBlock, Stages, declared_arguments
from shipit.image.dockerfile.syntax import check_instruction, parse_arguments
from shipit.image.options import BuildOptions
from shipit.platforms import parse_platform
from shipit.reference import parse_reference

# A limit against generated files.
_MOST_STAGES = 1000


def split_stages(dockerfile: Dockerfile, options: BuildOptions, lexer: Lexer) -> Stages:
    """Split a Dockerfile into stages and expand the variables in FROM. Raises: BuildError."""
    blocks: list[StageBlock] = []
    indexes: dict[str, int] = {}
    known = platform_arguments(options) | {"TARGETSTAGE": options.stage or _last_name(dockerfile) or "default"}
    known |= {name: value for name, value in options.args.items() if name in known}
    for instruction in dockerfile.instructions:
        where = dockerfile.where(instruction)
        if instruction.keyword == "FROM":
            if len(blocks) == _MOST_STAGES:
                raise BuildError(f"should have at most {_MOST_STAGES:,} stages", where=where)
            try:
                block = _block(instruction, len(blocks), known, indexes, lexer)
            except ValueError as error:
                hint = "an ARG in it may be empty: give it a default above FROM" if "$" in instruction.text else ""
                raise BuildError(str(error), where=where, hint=hint) from None
            blocks.append(block)
            if block.name:
                indexes[block.name] = block.number
        elif blocks:
            blocks[-1].body.append(instruction)
        elif instruction.keyword == "ARG":
            known |= _given(instruction, known, options, lexer, where)
        else:
            raise BuildError(f"{instruction.keyword} is before FROM", where=where, hint="begin with FROM")
    if not blocks:
        raise BuildError("has no FROM", where=dockerfile.name, hint="it should begin with FROM")
    for block in blocks:
        for instruction in block.body:
            _check_source(instruction, len(blocks), lexer, dockerfile.where(instruction))
    stages = Stages(dockerfile.name, tuple(blocks), known, indexes)
    _check_order(stages)
    return stages


def _check_order(stages: Stages) -> None:
    """Check that no stage depends on itself. Raises: BuildError at the first one that does."""
    copies = {
        block.number: {found for step in block.body if (found := stages.copied_stage(step)) is not None}
        for block in stages.blocks
    }
    # Remove stages whose sources are all removed, until nothing changes: the rest is in a cycle.
    while done := {number for number, sources in copies.items() if not sources & copies.keys()}:
        copies = {number: sources for number, sources in copies.items() if number not in done}
    if copies:
        where = stages.where(stages.blocks[min(copies)].head)
        raise BuildError("the stage copies from itself, directly or through other stages", where=where)


def _check_source(instruction: Instruction, count: int, lexer: Lexer, where: str) -> None:
    """Check --from, also in stages that are not needed. Raises: BuildError."""
    origin = (instruction.flag("from") or "") if instruction.keyword == "COPY" else ""
    if STAGE_NUMBER.fullmatch(origin) and not 0 <= int(origin) < count:
        raise BuildError(f"there is no stage {origin}", where=where, hint="the first stage is 0")
    try:
        is_plain = lexer.word(origin, {}) == origin
    except ValueError:
        is_plain = False
    if not is_plain:
        raise BuildError("--from takes no variables", where=where, hint="name a stage; its FROM may use one")


def _last_name(dockerfile: Dockerfile) -> str:
    """The name of the last stage; empty when it has none."""
    last = next((item for item in reversed(dockerfile.instructions) if item.keyword == "FROM"), None)
    words = last.text.split() if last else []
    return words[2].lower() if len(words) == 3 else ""


def _block(
    instruction: Instruction, index: int, variables: Mapping[str, str], indexes: Mapping[str, int], lexer: Lexer
) -> StageBlock:
    check_instruction(instruction, lexer.escape)
    words = parse_arguments(instruction, lexer.escape).words
    image = lexer.word(words[0], variables)
    if not image:
        raise ValueError(f"FROM should name an image, and {words[0]} is empty")
    base = indexes.get(image)
    if base is None and image != "scratch":
        _check_reference(image)
    asked = instruction.flag("platform")
    platform = str(parse_platform(lexer.word(asked, variables))) if asked is not None else ""
    name = words[2].lower() if len(words) == 3 else ""
    return StageBlock(index, instruction, image, name, platform, base, [])


def _check_reference(image: str) -> None:
    try:
        parse_reference(image)
    except ShipitError as error:
        raise ValueError(f"the base {image}: {error.what}") from None


def _given(
    instruction: Instruction, known: dict[str, str], options: BuildOptions, lexer: Lexer, where: str
) -> dict[str, str]:
    """The values of an ARG before the first FROM."""
    found: dict[str, str] = {}
    try:
        for name, default in declared_arguments(instruction, lexer.escape):
            if name in options.args:
                found[name] = options.args[name]
            elif default is not None:
                found[name] = lexer.word(default, ChainMap(found, known))
    except ValueError as error:
        raise BuildError(str(error), where=where) from None
    return found


def platform_arguments(options: BuildOptions) -> dict[str, str]:
    """The predefined platform arguments: name -> value.

    Source: Dockerfile reference, "Automatic platform ARGs in the global scope".
    """
    found: dict[str, str] = {}
    for prefix, text in (("TARGET", options.platform), ("BUILD", options.build_platform)):
        platform = parse_platform(text)
        found[f"{prefix}PLATFORM"] = str(platform)
        found |= {f"{prefix}OS": platform.os, f"{prefix}ARCH": platform.architecture}
        found |= {f"{prefix}VARIANT": platform.variant, f"{prefix}OSVERSION": ""}
    return found
