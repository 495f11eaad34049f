"""A Dockerfile's stages: their bases, what they copy from, and which ones a build needs. Pure.

Source: Dockerfile reference, "FROM", "ARG"; github.com/moby/buildkit 0.34, frontend/dockerfile/dockerfile2llb/convert.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from shipit.errors import BuildError
from shipit.image.dockerfile.onbuild import onbuild_trigger, parse_trigger
from shipit.image.dockerfile.pairs import split_words
from shipit.image.dockerfile.parse import Instruction

# `--from` with a number is a stage by its position, if there is one.
STAGE_NUMBER = re.compile(r"[-+]?\d{1,9}", re.ASCII)


class StageBlock(NamedTuple):
    """One stage as written. `base` is the number of the stage that it builds on, None for an image.

    `platform` is the one in its FROM, empty for the platform of the build.
    """

    number: int
    head: Instruction
    image: str
    name: str
    platform: str
    base: int | None
    body: list[Instruction]


class Stages(NamedTuple):
    """All stages. `arguments`: global ARG -> value. `indexes`: stage name -> number of the last stage of that name."""

    file: str
    blocks: tuple[StageBlock, ...]
    arguments: Mapping[str, str]
    indexes: Mapping[str, int]

    def where(self, instruction: Instruction) -> str:
        return f"{self.file}:{instruction.line}"

    def target_number(self, stage: str | None) -> int:
        """The number of the stage with that name; without a name, of the last stage. Raises: BuildError."""
        if stage is None:
            return len(self.blocks) - 1
        if stage.lower() not in self.indexes:
            names = ", ".join(block.name for block in self.blocks if block.name) or "none has a name"
            raise BuildError(f"there is no stage {stage!r}", where=self.file, hint=f"stages here: {names}")
        return self.indexes[stage.lower()]

    def source(self, instruction: Instruction, index: int) -> int | None:
        """The number of the earlier stage that a COPY copies from; None for the context or an image.

        Raises: ValueError when it is not an earlier stage.
        """
        found = self.copied_stage(instruction)
        if found is not None and not 0 <= found < index:
            origin = instruction.flag("from")
            raise ValueError(f"COPY --from={origin} should name a stage before its own, or an image")
        return found

    def copied_stage(self, instruction: Instruction) -> int | None:
        """The number of the stage in --from, at any position; None for the context or an image."""
        origin = instruction.flag("from") if instruction.keyword == "COPY" else None
        if not origin:
            return None
        return int(origin) if STAGE_NUMBER.fullmatch(origin) else self.indexes.get(origin.lower())


def needed_stages(stages: Stages, wanted: int) -> list[StageBlock]:
    """The stages that a stage depends on and the stage itself, in order. Triggers in images are not known here.

    Raises: BuildError.
    """
    waiting, needed = {wanted}, []
    while waiting:
        # A stage depends on earlier stages only.
        block = stages.blocks[max(waiting)]
        waiting.remove(block.number)
        needed.append(block)
        waiting |= dependencies_of(stages, block, [*inherited_triggers(stages, block), *block.body])
    return needed[::-1]


def dependencies_of(stages: Stages, block: StageBlock, instructions: Iterable[Instruction]) -> set[int]:
    """The numbers of the stages that a stage builds on or copies from."""
    found = {block.base} if block.base is not None else set()
    for instruction in instructions:
        try:
            source = stages.source(instruction, block.number)
        except ValueError:
            # Reported when the instruction is run.
            continue
        if source is not None:
            found.add(source)
    return found


def inherited_triggers(stages: Stages, block: StageBlock) -> list[Instruction]:
    """The ONBUILD instructions that a stage inherits from the stage that it builds on. Raises: BuildError."""
    if block.base is None:
        return []
    triggers = [onbuild_trigger(item) for item in stages.blocks[block.base].body if item.keyword == "ONBUILD"]
    return [parse_trigger(text, stages.where(block.head), block.head.line) for text in triggers]


def declared_arguments(instruction: Instruction, escape: str) -> Iterator[tuple[str, str | None]]:
    """Yields each name that an ARG declares with its unexpanded default, or None."""
    for word in split_words(instruction.text, escape):
        name, equals, default = word.partition("=")
        yield name, default if equals else None
