"""A Dockerfile's stages, and the arguments that choose between them. Pure.

Source: Dockerfile reference, "FROM", "ARG", "Automatic platform ARGs in the global scope".
"""

from __future__ import annotations

from collections.abc import Mapping

from shipit.errors import BuildError
from shipit.image.dockerfile import Dockerfile, Instruction
from shipit.image.expand import expand, split_words
from shipit.image.options import BuildOptions


def split_stages(dockerfile: Dockerfile, options: BuildOptions) -> tuple[list[list[Instruction]], dict[str, str]]:
    """The instructions by stage, each beginning with its FROM; and the arguments declared before the first."""
    blocks: list[list[Instruction]] = []
    variables: dict[str, str] = {}
    for instruction in dockerfile.instructions:
        if instruction.keyword == "FROM":
            blocks.append([instruction])
        elif blocks:
            blocks[-1].append(instruction)
        elif instruction.keyword == "ARG":
            for name, default in parse_arguments(
                instruction, {**platform_args(options.platform), **variables}, dockerfile.escape
            ):
                value = options.args.get(name, default)
                if value is not None:
                    variables[name] = value
        else:
            raise BuildError(
                f"{instruction.keyword} stands before FROM", where=dockerfile.where(instruction), hint="begin with FROM"
            )
    if not blocks:
        raise BuildError("has no FROM", where=dockerfile.name, hint="it should begin with FROM")
    return blocks, variables


def parse_arguments(
    instruction: Instruction, variables: Mapping[str, str], escape: str
) -> list[tuple[str, str | None]]:
    """The names of an ARG and their defaults, if any; a default may use those before it."""
    known = dict(variables)
    pairs: list[tuple[str, str | None]] = []
    for word in split_words(instruction.text, escape):
        name, equals, default = word.partition("=")
        value = expand(default, known, escape) if equals else None
        if value is not None:
            known[name] = value
        pairs.append((name, value))
    return pairs


def stage_names(blocks: list[list[Instruction]]) -> list[str]:
    return [name for block in blocks if (name := _name_of(block[0]))]


def _name_of(instruction: Instruction) -> str:
    words = instruction.text.split()
    return words[2].lower() if len(words) == 3 else ""


def stage_index(blocks: list[list[Instruction]], name: str, before: int) -> int:
    """The last stage of that name before an index; -1 when there is none."""
    return next((i for i in range(before - 1, -1, -1) if _name_of(blocks[i][0]) == name.lower()), -1)


def platform_args(platform: str) -> dict[str, str]:
    system, architecture, *variant = platform.split("/")
    own = {"OS": system, "ARCH": architecture, "VARIANT": variant[0] if variant else ""}
    target = {f"TARGET{key}": value for key, value in own.items()}
    return {
        **target,
        "TARGETPLATFORM": platform,
        "BUILDPLATFORM": platform,
        **{f"BUILD{key}": value for key, value in own.items()},
    }
