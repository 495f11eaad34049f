"""A Dockerfile's stages, and the arguments that choose between them. Pure.

Source: Dockerfile reference, "FROM", "ARG", "Automatic platform ARGs in the global scope".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shipit.errors import BuildError
from shipit.image.dockerfile import Dockerfile, Instruction
from shipit.image.expand import parse_pairs
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
    if "=" not in instruction.text:
        return [(name, None) for name in instruction.text.split()]
    pairs: list[tuple[str, str | None]] = []
    known = dict(variables)
    for word in re.findall(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""", instruction.text):
        if "=" in word:
            name, value = parse_pairs(word, known, escape)[0]
            known[name] = value
            pairs.append((name, value))
        else:
            pairs.append((word, None))
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
